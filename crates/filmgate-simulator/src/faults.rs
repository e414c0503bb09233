//! Words in a prompt that make something go wrong.

/// What a word in the prompt asks for. Several may stand in one prompt, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `[fail]`: the video ends failed, and its units are given back.
    Fail,
    /// `[moderate]`: done with an empty URL and `respect_moderation` false (OpenAI: failed); billed.
    Moderate,
    /// `[expire]`: the video ends expired (OpenAI: failed).
    Expire,
    /// `[slow]`: ten times as long.
    Slow,
    /// `[quiet]`: while it is pending, polls are answered 202 with an empty body.
    Quiet,
    /// `[busy]`: 429 with `Retry-After: 1`, once for each prompt text.
    Busy,
    /// `[unauthorized]`: 401 whatever the token.
    Unauthorized,
    /// `[error]`: 500, nothing is made.
    Error,
    /// `[lost]`: the video is made and billed, but the create is answered with 504.
    Lost,
    /// `[hang]`: the video is made and billed, but the create is never answered.
    Hang,
    /// `[garbage]`: the video is made and billed, but the create is answered with no JSON.
    Garbage,
    /// `[cutoff]`: the file ends in the middle of its pictures, with an honest Content-Length.
    Cutoff,
    /// `[hangup]`: the file's Content-Length is right, the connection ends half-way.
    Hangup,
    /// `[notvideo]`: an HTML page with status 200 instead of the file.
    NotVideo,
    /// `[lie]`: 480p whatever was asked.
    Lie,
}

const WORDS: [(&str, Fault); 15] = [
    ("[fail]", Fault::Fail),
    ("[moderate]", Fault::Moderate),
    ("[expire]", Fault::Expire),
    ("[slow]", Fault::Slow),
    ("[quiet]", Fault::Quiet),
    ("[busy]", Fault::Busy),
    ("[unauthorized]", Fault::Unauthorized),
    ("[error]", Fault::Error),
    ("[lost]", Fault::Lost),
    ("[hang]", Fault::Hang),
    ("[garbage]", Fault::Garbage),
    ("[cutoff]", Fault::Cutoff),
    ("[hangup]", Fault::Hangup),
    ("[notvideo]", Fault::NotVideo),
    ("[lie]", Fault::Lie),
];

/// The faults that one prompt asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn in_prompt(prompt: &str) -> Self {
        let prompt = prompt.to_ascii_lowercase();
        Self(WORDS.iter().filter(|(word, _)| prompt.contains(word)).map(|&(_, fault)| fault).collect())
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case_and_together() {
        let faults = Faults::in_prompt("a fox [SLOW] in the snow [fail]");
        assert!(faults.has(Fault::Slow) && faults.has(Fault::Fail));
        assert!(!faults.has(Fault::Hang));
    }

    #[test]
    fn a_word_is_not_taken_for_a_longer_one() {
        let faults = Faults::in_prompt("[hangup]");
        assert!(faults.has(Fault::Hangup) && !faults.has(Fault::Hang));
        assert!(Faults::in_prompt("hang on, do not fail").0.is_empty());
    }
}
