//! Who comes first among requests of which one repeats the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use filmgate_domain::CallerId;
use filmgate_store::Scope;
use tokio::sync::watch;

use crate::load::Came;

/// Requests that are here and not on disk yet. Cloning it is cheap; all clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<InHand>>);

type InHand = HashMap<Identity, Arc<Earlier>>;

/// What two requests have in common of which one repeats the other.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Key(Scope),
    Body(CallerId, [u8; 32]),
}

/// Requests that others wait for: several that do not repeat each other, or one alone. Closed when the last of them is
/// done.
pub(super) type Earlier = watch::Sender<Held>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Together,
    Alone(Came),
}

/// A request that others wait for, until this is dropped.
pub(super) struct Turn {
    turns: Turns,
    identity: Identity,
    held: Option<watch::Receiver<Held>>,
}

impl Turns {
    /// Takes the turn, unless somebody has it.
    pub(super) fn take(&self, identity: Identity, came: Came) -> Result<Turn, Arc<Earlier>> {
        let mut turns = self.0.lock().expect("no panic under this lock");
        match turns.get(&identity) {
            Some(earlier) => Err(Arc::clone(earlier)),
            None => Ok(self.hold(&mut turns, identity, Held::Alone(came))),
        }
    }

    /// Takes the turn together with whoever has it, unless that is one alone who came later.
    pub(super) fn share(&self, identity: Identity, came: Came) -> Result<Turn, Arc<Earlier>> {
        let mut turns = self.0.lock().expect("no panic under this lock");
        match turns.get(&identity) {
            Some(other) if matches!(*other.borrow(), Held::Alone(later) if later > came) => {
                Err(Arc::clone(other))
            }
            _ => Ok(self.hold(&mut turns, identity, Held::Together)),
        }
    }

    fn hold(&self, turns: &mut InHand, identity: Identity, how: Held) -> Turn {
        let made = || Arc::new(watch::Sender::new(how));
        let held = turns.entry(identity.clone()).or_insert_with(made).subscribe();
        Turn { turns: self.clone(), identity, held: Some(held) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.turns.0.lock().expect("no panic under this lock");
        self.held = None;
        if turns.get(&self.identity).is_some_and(|earlier| earlier.receiver_count() == 0) {
            turns.remove(&self.identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_is_over_when_the_last_who_has_it_is_done() {
        let turns = Turns::default();
        let of_body = |n| Identity::Body(CallerId(1), [n; 32]);
        let share = || turns.share(of_body(1), Came(1)).expect("it can be shared");
        let (one, two) = (share(), share());
        let _other = turns.take(of_body(2), Came(2)).expect("another body");
        let earlier = turns.take(of_body(1), Came(2)).err().expect("it is taken");
        let waiting = tokio::spawn(async move { earlier.closed().await });
        drop(one);
        assert!(turns.take(of_body(1), Came(2)).is_err());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(two);
        waiting.await.unwrap();
        let again = turns.take(of_body(1), Came(2)).expect("it is free");
        assert!(turns.take(of_body(1), Came(2)).is_err());
        assert!(turns.share(of_body(1), Came(1)).is_err(), "it was overtaken by its own repetition");
        drop(turns.share(of_body(1), Came(3)).expect("it means another video"));
        drop(again);
        assert_eq!(turns.0.lock().unwrap().len(), 1, "nothing stays behind");
    }
}
