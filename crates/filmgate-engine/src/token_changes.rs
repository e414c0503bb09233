//! What an operator does with tokens: adds, switches, excuses, labels, removes. One, or a hundred thousand.

use std::collections::HashSet;

use filmgate_domain::{Timestamp, TokenId, TokenInfo, TokenManager};
use filmgate_store::Added;

use crate::recover::enter_spending;
use crate::{Engine, OperatorError};

/// How many tokens are changed in one go. Both the desk and the writing thread are free again after that long,
/// some milliseconds: videos pass while an operator switches a hundred thousand tokens.
const AT_ONCE: usize = 2_000;

/// What can be done with many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Switch disabled ones on again.
    Enable,
    /// Switch them off. Their jobs in flight go on with them.
    Disable,
    /// Forget what they were blamed for.
    Reset,
    /// Take them out for good.
    Remove,
}

impl Deed {
    /// All of them.
    pub const ALL: [Deed; 4] = [Deed::Enable, Deed::Disable, Deed::Reset, Deed::Remove];

    /// The word used in the API and the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Deed::Enable => "enable",
            Deed::Disable => "disable",
            Deed::Reset => "reset",
            Deed::Remove => "remove",
        }
    }
}

/// What became of many tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// It was done to these.
    pub done: Vec<TokenId>,
    /// These do not exist, or not any more.
    pub unknown: Vec<TokenId>,
}

impl Engine {
    /// Adds tokens (their ids are ignored); the answer tells of each whether it was new. Up to 2,000 are added
    /// together, or none.
    ///
    /// # Errors
    /// When they cannot be written; those before that are added, and known when it is tried again.
    pub async fn add_tokens(&self, mut tokens: Vec<TokenInfo>) -> Result<Vec<Added>, OperatorError> {
        let mut added = Vec::with_capacity(tokens.len());
        while !tokens.is_empty() {
            let rest = tokens.split_off(tokens.len().min(AT_ONCE));
            added.extend(self.add_some(tokens).await?);
            tokens = rest;
        }
        self.serve_waiting();
        Ok(added)
    }

    async fn add_some(&self, tokens: Vec<TokenInfo>) -> Result<Vec<Added>, OperatorError> {
        let added = self.inner.store.add_tokens(tokens.clone()).await?;
        let revived = added.iter().filter_map(|added| match added {
            Added::Revived(id) => Some(*id),
            _ => None,
        });
        let revived: Vec<TokenId> = revived.collect();
        loop {
            // A token that comes back has not got its quota back by that: what it spent is read before it can be
            // chosen.
            let unknown = forgotten(&self.desk().manager, &revived);
            let spent = if unknown.is_empty() { Vec::new() } else { self.spending(self.now()).await? };
            let now = self.now();
            let mut desk = self.desk();
            if forgotten(&desk.manager, &revived) != unknown {
                // The last job of one ended meanwhile: what that spent may not be among it.
                continue;
            }
            for (mut info, added) in tokens.into_iter().zip(&added) {
                if let Added::New(id) | Added::Revived(id) = added {
                    info.id = *id;
                    desk.manager.add(info, now);
                }
            }
            enter_spending(&mut desk.manager, &spent, now, |token| unknown.contains(&token));
            return Ok(added);
        }
    }

    /// Does the same with many tokens, in commits of some thousand: up to 2,000 are changed together, or none.
    ///
    /// # Errors
    /// When it cannot be written; the tokens before that are changed.
    pub async fn change_tokens(&self, ids: &[TokenId], deed: Deed) -> Result<Changed, OperatorError> {
        let mut seen = HashSet::new();
        let ids: Vec<TokenId> = ids.iter().copied().filter(|id| seen.insert(*id)).collect();
        let mut changed = Changed::default();
        for ids in ids.chunks(AT_ONCE) {
            let now = self.now();
            let (done, unknown, written) = {
                let mut desk = self.desk();
                let (done, unknown): (Vec<TokenId>, Vec<TokenId>) =
                    ids.iter().partition(|id| is_there(&desk.manager, **id));
                done.iter().for_each(|id| apply(&mut desk.manager, *id, deed, now));
                // Queued under the lock: two changes of one token reach the disk in their order.
                let written = if deed == Deed::Remove {
                    self.inner.store.remove_tokens(done.clone(), now)
                } else {
                    let infos: Vec<&TokenInfo> = done.iter().filter_map(|id| desk.manager.get(*id)).collect();
                    self.inner.store.save_tokens(&infos)
                };
                (done, unknown, written)
            };
            written.await?;
            changed.done.extend(done);
            changed.unknown.extend(unknown);
        }
        self.serve_waiting();
        Ok(changed)
    }

    /// Does it with one token.
    ///
    /// # Errors
    /// When there is no such token or it cannot be written.
    pub async fn change_token(&self, id: TokenId, deed: Deed) -> Result<(), OperatorError> {
        let changed = self.change_tokens(&[id], deed).await?;
        if changed.done.is_empty() { Err(OperatorError::NoSuchToken(id)) } else { Ok(()) }
    }

    /// Takes back the last refusal that was counted against a token.
    ///
    /// # Errors
    /// When there is no such token, nothing is counted against it, or it cannot be written.
    pub async fn forgive_token(&self, id: TokenId) -> Result<(), OperatorError> {
        let now = self.now();
        self.edit_token(id, |manager| {
            if manager.forgive(id, now) { Ok(()) } else { Err(OperatorError::NothingToForgive(id)) }
        })
        .await
    }

    /// Replaces the operator's tags and note.
    ///
    /// # Errors
    /// When there is no such token or it cannot be written.
    pub async fn label_token(
        &self,
        id: TokenId,
        tags: Vec<String>,
        note: String,
    ) -> Result<(), OperatorError> {
        let now = self.now();
        self.edit_token(id, |manager| {
            manager.label(id, tags, note, now);
            Ok(())
        })
        .await
    }

    async fn edit_token(
        &self,
        id: TokenId,
        edit: impl FnOnce(&mut TokenManager) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let written = {
            let mut desk = self.desk();
            if !is_there(&desk.manager, id) {
                return Err(OperatorError::NoSuchToken(id));
            }
            edit(&mut desk.manager)?;
            let info = desk.manager.get(id).ok_or(OperatorError::NoSuchToken(id))?;
            // Queued under the lock, as above.
            self.inner.store.save_tokens(&[info])
        };
        self.serve_waiting();
        Ok(written.await?)
    }
}

/// Those of these tokens that the manager does not know, nor what they spent.
fn forgotten(manager: &TokenManager, tokens: &[TokenId]) -> HashSet<TokenId> {
    tokens.iter().copied().filter(|token| manager.get(*token).is_none()).collect()
}

fn is_there(manager: &TokenManager, id: TokenId) -> bool {
    manager.get(id).is_some() && !manager.is_draining(id)
}

fn apply(manager: &mut TokenManager, id: TokenId, deed: Deed, now: Timestamp) {
    match deed {
        Deed::Enable => manager.enable(id, now),
        Deed::Disable => manager.disable(id, now),
        Deed::Reset => manager.reset(id, now),
        Deed::Remove => manager.remove(id, now),
    };
}
