//! What came of it: three lists, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::out;

/// The three lists.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// What goes on here.
    pub(super) taken_over: Vec<Taken>,
    /// What does not, and why.
    pub(super) left_out: Vec<LeftOut>,
    /// What only the operator can do.
    pub(super) needs_you: Vec<Need>,
}

/// Something that goes on here.
#[derive(Debug, Serialize)]
pub(super) struct Taken {
    /// What it was.
    from: String,
    /// What it is here.
    to: String,
    /// It was so before, or is the default: nothing has to be written.
    already: bool,
}

/// Things that are left out for one reason.
#[derive(Debug, Serialize)]
pub(super) struct LeftOut {
    pub(super) why: String,
    pub(super) what: Vec<String>,
}

/// Something that only the operator can do.
#[derive(Debug, Serialize)]
pub(super) struct Need {
    pub(super) what: String,
    /// Commands, or lines of a configuration, one each.
    pub(super) todo: Vec<String>,
}

impl Report {
    pub(super) fn takes(&mut self, from: impl Into<String>, to: impl Into<String>, already: bool) {
        self.taken_over.push(Taken { from: from.into(), to: to.into(), already });
    }

    /// `what` joins those that are left out for the same reason.
    pub(super) fn leaves(&mut self, why: &str, what: impl Into<String>) {
        match self.left_out.iter_mut().find(|left| left.why == why) {
            Some(left) => left.what.push(what.into()),
            None => self.left_out.push(LeftOut { why: why.to_owned(), what: vec![what.into()] }),
        }
    }

    pub(super) fn needs(&mut self, what: impl Into<String>, todo: impl IntoIterator<Item = String>) {
        self.needs_you.push(Need { what: what.into(), todo: todo.into_iter().collect() });
    }

    /// For people.
    pub(super) fn render(&self) -> String {
        let mut text = "Taken over\n".to_owned();
        let width = self.taken_over.iter().map(|taken| taken.from.chars().count()).max().unwrap_or(0);
        for Taken { from, to, already } in &self.taken_over {
            let already = if *already { "  (is so already)" } else { "" };
            // Writing to a text does not fail.
            let _ = writeln!(text, "  {from:width$}  ->  {to}{already}");
        }
        nothing(&mut text, self.taken_over.is_empty());
        text.push_str("\nLeft out, and why\n");
        for LeftOut { why, what } in &self.left_out {
            wrap(&mut text, why, "  ", "  ");
            wrap(&mut text, &what.join(", "), "      ", "      ");
        }
        nothing(&mut text, self.left_out.is_empty());
        text.push_str("\nNeeds you\n");
        for (nth, Need { what, todo }) in self.needs_you.iter().enumerate() {
            wrap(&mut text, what, &format!("  {}. ", nth + 1), "     ");
            // To be copied: never broken.
            todo.iter().for_each(|line| {
                let _ = writeln!(text, "         {line}");
            });
        }
        nothing(&mut text, self.needs_you.is_empty());
        out::clean(&text)
    }
}

fn nothing(text: &mut String, is_empty: bool) {
    if is_empty {
        text.push_str("  nothing\n");
    }
}

/// Writes words in lines of at most a hundred characters; a longer word has a line of its own.
fn wrap(text: &mut String, words: &str, first: &str, further: &str) {
    const WIDTH: usize = 100;
    let mut line = first.to_owned();
    let mut is_fresh = true;
    for word in words.split_whitespace() {
        if !is_fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            further.clone_into(&mut line);
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    text.push_str(&line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lists() {
        let mut report = Report::default();
        report.takes("app.app_url", "server.public_url = \"https://v.example.com\"", false);
        report.takes("video.x", "video.x = true", true);
        report.leaves("Filmgate imitates no browser.", "security.browser");
        report.leaves("Retries follow from what is certain here.", "retry.max_retry");
        report.leaves("Filmgate imitates no browser.", "security.user_agent");
        report.needs("Two tokens.\u{1b}", ["filmgate a".to_owned(), "filmgate b".to_owned()]);
        report.needs("word ".repeat(30), []);
        insta::assert_snapshot!(report.render(), @r#"
        Taken over
          app.app_url  ->  server.public_url = "https://v.example.com"
          video.x      ->  video.x = true  (is so already)

        Left out, and why
          Filmgate imitates no browser.
              security.browser, security.user_agent
          Retries follow from what is certain here.
              retry.max_retry

        Needs you
          1. Two tokens.�
                 filmgate a
                 filmgate b
          2. word word word word word word word word word word word word word word word word word word word
             word word word word word word word word word word word
        "#);
    }

    #[test]
    fn empty_lists_say_so() {
        assert_eq!(Report::default().render().matches("  nothing\n").count(), 3);
    }
}
