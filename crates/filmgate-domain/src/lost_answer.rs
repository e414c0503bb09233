//! What becomes of a submission whose answer is lost: the three kinds of upstreams.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job::UnknownWord;

/// What is done when it is not known whether an upstream took a submission: the connection broke, there was no
/// answer in time, it made no sense, or the process ended meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostAnswer {
    /// The upstream cannot tell: the job ends with `outcome_unknown`, and is never sent again by itself.
    #[default]
    GiveUp,
    /// The upstream makes one video of all submissions with one `Idempotency-Key`: it is sent again with the same.
    Repeat,
    /// The upstream lists the videos of a token: it is looked for there. One that is still not there after a
    /// grace time never arrived, and may be sent anew.
    LookUp,
}

impl LostAnswer {
    /// All of them.
    pub const ALL: [LostAnswer; 3] = [LostAnswer::GiveUp, LostAnswer::Repeat, LostAnswer::LookUp];

    /// The word used in the configuration and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            LostAnswer::GiveUp => "give_up",
            LostAnswer::Repeat => "repeat",
            LostAnswer::LookUp => "look_up",
        }
    }
}

impl fmt::Display for LostAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LostAnswer {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|way| way.as_str() == text).ok_or_else(|| UnknownWord(text.to_owned()))
    }
}
