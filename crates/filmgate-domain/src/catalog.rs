//! The pools, from weakest to strongest, and the models that they serve.

use std::sync::Arc;
use std::time::Duration;

use crate::{Capability, Cost, Pool, Quota, Resolution, Seconds};

/// A model that clients can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its public name.
    pub name: Box<str>,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// The pools that serve it, weakest first, each with the upstream's own name of the model.
    pub pools: Vec<(Box<str>, Box<str>)>,
}

/// Pools and models, checked against each other. It is immutable: a reload makes a new one.
#[derive(Clone, Debug)]
pub struct Catalog {
    pools: Vec<Arc<Pool>>,
    models: Vec<Model>,
    /// For each model the places of its pools: every decision asks for them.
    pools_of: Vec<Box<[usize]>>,
}

/// What is wrong with a set of pools and models.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Two pools, models or aliases of the same name.
    #[error("{kind} {name:?} is defined twice")]
    Twice {
        /// `pool`, or `model name or alias`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A model names a pool that does not exist.
    #[error("model {model:?} names the pool {pool:?}, which does not exist")]
    NoSuchPool {
        /// The model.
        model: String,
        /// The missing pool.
        pool: String,
    },
    /// Nothing could ever be made.
    #[error("there is no model; define at least one under [models]")]
    NoModel,
}

impl Catalog {
    /// Checks and keeps pools (weakest first) and models (the first is the default one).
    ///
    /// # Errors
    /// When names are used twice, a model names a missing pool, or there is no model.
    pub fn new(pools: Vec<Pool>, models: Vec<Model>) -> Result<Self, CatalogError> {
        let mut names: Vec<&str> = pools.iter().map(|p| &*p.name).collect();
        first_repeated(&mut names, "pool")?;
        let mut names: Vec<&str> =
            models.iter().flat_map(|m| m.aliases.iter().map(|a| &**a).chain([&*m.name])).collect();
        first_repeated(&mut names, "model name or alias")?;
        if models.is_empty() {
            return Err(CatalogError::NoModel);
        }
        let place = |model: &Model, pool: &str| {
            pools.iter().position(|p| *p.name == *pool).ok_or_else(|| {
                let (model, pool) = (model.name.to_string(), pool.to_string());
                CatalogError::NoSuchPool { model, pool }
            })
        };
        let places = |model: &Model| model.pools.iter().map(|(pool, _)| place(model, pool)).collect();
        let pools_of = models.iter().map(places).collect::<Result<_, _>>()?;
        Ok(Self { pools: pools.into_iter().map(Arc::new).collect(), models, pools_of })
    }

    /// The founding document's two pools and one model: Basic 80 units in 20 h, Super 140 in 2 h, a video 4.
    pub fn founding() -> Self {
        let pool = |name: &str, delivers: &[(Resolution, u32)], units, hours: u64| Pool {
            name: name.into(),
            upstream: "xai".into(),
            delivers: delivers
                .iter()
                .map(|&(resolution, seconds)| Capability {
                    resolution,
                    max_seconds: Seconds::new(seconds).unwrap_or_default(),
                    models: None,
                    modes: None,
                })
                .collect(),
            quota: Some(Quota { units, window: Duration::from_secs(hours * 3600) }),
            max_in_flight: None,
            submits_per_minute: None,
            costs: vec![Cost { resolution: None, max_seconds: None, units: 4, units_per_second: 0 }],
        };
        let model = "grok-imagine-video";
        let pools = vec![
            pool("ssoBasic", &[(Resolution::P480, 6)], 80, 20),
            pool("ssoSuper", &[(Resolution::P480, 15), (Resolution::P720, 15)], 140, 2),
        ];
        let model = Model {
            name: model.into(),
            aliases: vec!["grok-video".into()],
            pools: vec![("ssoBasic".into(), model.into()), ("ssoSuper".into(), model.into())],
        };
        Self::new(pools, vec![model]).expect("every name is used once, and both pools are there")
    }

    /// All pools, weakest first.
    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// All models; the first is the default one.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The model of this name or alias.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.find(name).map(|(model, _)| model)
    }

    /// The model of this name or alias, and the places of its pools, in its order.
    pub(crate) fn find(&self, name: &str) -> Option<(&Model, &[usize])> {
        let named = |m: &Model| *m.name == *name || m.aliases.iter().any(|a| a == name);
        let place = self.models.iter().position(named)?;
        Some((&self.models[place], &self.pools_of[place]))
    }

    /// The model that the founding calls, which name none, mean: the first.
    pub fn default_model(&self) -> &Model {
        &self.models[0]
    }

    /// The place of a pool in [`Catalog::pools`].
    pub fn pool_index(&self, name: &str) -> Option<usize> {
        self.pools.iter().position(|p| *p.name == *name)
    }

    /// The pools that serve a model, by their place in [`Catalog::pools`], in the model's order.
    pub fn pools_of(&self, model: &Model) -> impl DoubleEndedIterator<Item = usize> + Clone + '_ {
        self.find(&model.name).map_or(&[][..], |(_, pools)| pools).iter().copied()
    }
}

impl Model {
    /// The upstream's own name of this model in a pool.
    pub fn upstream_name(&self, pool: &str) -> Option<&str> {
        self.pools.iter().find(|(p, _)| **p == *pool).map(|(_, name)| &**name)
    }
}

fn first_repeated(names: &mut [&str], kind: &'static str) -> Result<(), CatalogError> {
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(CatalogError::Twice { kind, name: pair[0].to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let founding = Catalog::founding();
        let pools = || founding.pools.iter().map(|p| (**p).clone()).collect::<Vec<_>>();
        let twice = Catalog::new([pools(), pools()].concat(), founding.models.clone());
        assert_eq!(twice.unwrap_err().to_string(), "pool \"ssoBasic\" is defined twice");

        let mut model = founding.models[0].clone();
        model.aliases.push("grok-imagine-video".into());
        assert!(matches!(Catalog::new(pools(), vec![model]), Err(CatalogError::Twice { .. })));

        let missing = Catalog::new(vec![], founding.models.clone());
        assert!(matches!(missing, Err(CatalogError::NoSuchPool { .. })));
        assert!(matches!(Catalog::new(pools(), vec![]), Err(CatalogError::NoModel)));
    }

    #[test]
    fn aliases_find_their_model() {
        let catalog = Catalog::founding();
        assert_eq!(&*catalog.model("grok-video").unwrap().name, "grok-imagine-video");
        assert!(catalog.model("sora-9").is_none());
    }
}
