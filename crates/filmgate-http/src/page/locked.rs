//! Pages of those who only look: every form that would change something is there, and cannot be used.

use maud::{Markup, PreEscaped};

/// What stands around the fields of a form that cannot be used. Browsers switch off all that is in it.
const BEGIN: &str = "<fieldset class=\"locked\" disabled>";
const END: &str = "</fieldset>";

/// Locks every form that is sent by POST. The markup is our own: a `>` in an attribute is escaped, and no form
/// stands in another.
pub(super) fn lock(html: &str) -> Markup {
    let mut locked = String::with_capacity(html.len() + 256);
    let mut rest = html;
    while let Some(start) = rest.find("<form") {
        let end = rest[start..].find("</form>").map_or(rest.len(), |end| start + end);
        let opened = rest[start..end].find('>').map_or(end, |close| start + close + 1);
        let posts = rest[start..opened].contains("method=\"post\"");
        locked.push_str(&rest[..opened]);
        locked.push_str(if posts { BEGIN } else { "" });
        locked.push_str(&rest[opened..end]);
        locked.push_str(if posts { END } else { "" });
        rest = &rest[end..];
    }
    locked.push_str(rest);
    PreEscaped(locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_change_something_are_locked_and_those_that_search_are_not() {
        let html = "<p>a</p><form action=\"/x\" method=\"get\"><input></form><form class=\"row\" \
                    method=\"post\" data-confirm=\"&gt;?\"><button>Go</button></form><p>b</p>";
        let expected = "<p>a</p><form action=\"/x\" method=\"get\"><input></form><form class=\"row\" \
                        method=\"post\" data-confirm=\"&gt;?\"><fieldset class=\"locked\" disabled><button>Go</button>\
                        </fieldset></form><p>b</p>";
        assert_eq!(lock(html).0, expected);
        assert_eq!(lock("<p>no form</p>").0, "<p>no form</p>");
        assert_eq!(lock("<form method=\"post\"><i>").0, format!("<form method=\"post\">{BEGIN}<i>{END}"));
    }
}
