//! What the page says, in the language of whoever reads it. The texts are in `locales`, in Fluent's format.

use std::borrow::Cow;
use std::collections::HashMap;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader as _, langid, static_loader};

static_loader! {
    static LOCALES = {
        locales: "./locales",
        fallback_language: "en",
        // The marks around inserted values are for text of mixed directions, which none of these languages has.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

static ENGLISH: LanguageIdentifier = langid!("en");
static CHINESE: LanguageIdentifier = langid!("zh-CN");

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lang {
    English,
    Chinese,
}

impl Lang {
    pub(super) const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The tag that HTML and cookies know it by.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// What its readers call it.
    pub(super) fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.tag() == tag)
    }

    /// The first of a browser's languages that the page has, by its preference; English when there is none.
    pub(super) fn preferred(accept_language: &str) -> Self {
        let ranked = accept_language.split(',').filter_map(|part| {
            let (tag, weight) = part.split_once(";q=").unwrap_or((part, "1"));
            let weight: f32 = weight.trim().parse().ok()?;
            let main = tag.trim().split('-').next()?.to_ascii_lowercase();
            let lang = match main.as_str() {
                "zh" => Self::Chinese,
                "en" => Self::English,
                _ => return None,
            };
            (weight > 0.0).then_some((weight, lang))
        });
        // Of equal ones the first counts.
        let best = ranked.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map_or(Self::English, |(_, lang)| lang)
    }

    /// A text.
    pub(super) fn t(self, key: &str) -> String {
        LOCALES.lookup(self.id(), key)
    }

    /// A text with values in it.
    pub(super) fn with<const N: usize>(
        self,
        key: &str,
        values: [(&'static str, FluentValue<'_>); N],
    ) -> String {
        let values: HashMap<_, _> =
            values.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        LOCALES.lookup_with_args(self.id(), key, &values)
    }

    fn id(self) -> &'static LanguageIdentifier {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", Lang::English)]
    #[case("zh-CN,zh;q=0.9,en;q=0.8", Lang::Chinese)]
    #[case("en-GB,zh", Lang::English)]
    #[case("en;q=0.5, zh-TW;q=0.7", Lang::Chinese)]
    #[case("de-DE,fr;q=0.9,zh;q=0.1", Lang::Chinese)]
    #[case("zh;q=0,en;q=nan,*", Lang::English)]
    fn the_browser_chooses_the_language(#[case] accepted: &str, #[case] lang: Lang) {
        assert_eq!(Lang::preferred(accepted), lang);
    }

    /// The keys of all messages of a language, and what each needs to be told.
    fn messages(lang: Lang) -> BTreeSet<(String, BTreeSet<String>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("locales").join(lang.tag());
        let mut messages = BTreeSet::new();
        for file in files(&folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            let mut current: Option<(String, BTreeSet<String>)> = None;
            for line in text.lines() {
                if let Some((key, _)) =
                    line.split_once(" =").filter(|_| line.starts_with(char::is_alphabetic))
                {
                    assert!(messages.iter().all(|(known, _)| known != key), "{key} is there twice");
                    messages.extend(current.replace((key.to_owned(), BTreeSet::new())));
                }
                let told = line.split('$').skip(1).map(|rest| {
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
                });
                current.iter_mut().for_each(|(_, needs)| needs.extend(told.clone()));
            }
            messages.extend(current);
        }
        messages
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
        }
        found
    }

    #[test]
    fn both_languages_say_the_same() {
        let [english, chinese] = Lang::ALL.map(messages);
        let only: Vec<_> = english.symmetric_difference(&chinese).collect();
        assert!(only.is_empty(), "in one language only, or with other values: {only:#?}");
    }

    /// Every `t("key")` and `with("key"` in the source has a text, and every text is said somewhere.
    #[test]
    fn what_is_said_is_written_and_what_is_written_is_said() {
        let sources = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page"));
        let texts = sources.iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs"));
        let source: String = texts.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let said = |before: &str| {
            let after = source.split(before).skip(1).filter_map(|rest| rest.split('"').next());
            after.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let said: BTreeSet<String> = [".t(\"", ".with(\""].into_iter().flat_map(said).collect();
        let written: BTreeSet<String> = messages(Lang::English).into_iter().map(|(key, _)| key).collect();
        let missing: Vec<_> =
            said.iter().filter(|key| key.contains('-')).filter(|k| !written.contains(*k)).collect();
        assert!(missing.is_empty(), "without a text: {missing:#?}");
        // A key that is put together has its beginning in the source: format!("status-{}").
        let is_said = |key: &String| {
            let mut beginnings = key.match_indices('-').map(|(at, _)| format!("\"{}-{{", &key[..at]));
            source.contains(&format!("\"{key}\"")) || beginnings.any(|beginning| source.contains(&beginning))
        };
        let unsaid: Vec<_> = written.iter().filter(|key| !is_said(key)).collect();
        assert!(unsaid.is_empty(), "never said: {unsaid:#?}");
    }

    #[test]
    fn every_text_is_understood() {
        for lang in Lang::ALL {
            for (key, needs) in messages(lang) {
                let values = needs.iter().map(|need| (Cow::Owned(need.clone()), FluentValue::from(2)));
                let values: HashMap<Cow<'static, str>, FluentValue<'_>> = values.collect();
                let said = LOCALES.lookup_with_args(lang.id(), &key, &values);
                assert!(
                    !said.is_empty() && !said.contains("Unknown local") && !said.contains("{$"),
                    "{key}: {said}"
                );
            }
        }
    }
}
