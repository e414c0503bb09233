//! Reads a Dockerfile.

/// One instruction of a stage.
pub(super) struct Instruction {
    /// In capitals.
    pub(super) keyword: String,
    /// `--name=value`.
    pub(super) flags: Vec<(String, String)>,
    /// What follows.
    pub(super) rest: String,
}

/// What begins with a FROM.
pub(super) struct Stage {
    pub(super) base: String,
    pub(super) name: Option<String>,
    pub(super) instructions: Vec<Instruction>,
}

/// The stages of a Dockerfile.
pub(super) fn parse(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for line in logical_lines(text) {
        let instruction = Instruction::parse(&line);
        match (&*instruction.keyword, stages.last_mut()) {
            ("FROM", _) => stages.push(Stage::parse(&instruction)),
            (_, Some(stage)) => stage.instructions.push(instruction),
            (_, None) => panic!("before the first FROM: {line}"),
        }
    }
    stages
}

/// Lines without comments; one that ends in a backslash goes on in the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(part) => open.push_str(part),
            None => {
                open.push_str(line);
                lines.push(std::mem::take(&mut open));
            }
        }
    }
    assert!(open.is_empty(), "the file ends within {open}");
    lines
}

impl Instruction {
    fn parse(line: &str) -> Self {
        let (keyword, mut rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        let mut flags = Vec::new();
        rest = rest.trim_start();
        while let Some(flagged) = rest.strip_prefix("--") {
            let (flag, after) = flagged.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            let (name, value) = flag.split_once('=').unwrap_or_else(|| panic!("{line}"));
            flags.push((name.to_owned(), value.to_owned()));
            rest = after.trim_start();
        }
        Self { keyword: keyword.to_ascii_uppercase(), flags, rest: rest.to_owned() }
    }

    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find(|(flag, _)| flag == name).map(|(_, value)| &**value)
    }

    /// Words in the exec form, `["a", "b"]`.
    pub(super) fn words(&self) -> Vec<String> {
        let list = &self.rest[self.rest.find('[').unwrap_or_else(|| panic!("{}", self.rest))..];
        serde_json::from_str(list).unwrap_or_else(|error| panic!("{error}: {list}"))
    }
}

impl Stage {
    fn parse(from: &Instruction) -> Self {
        let words: Vec<&str> = from.rest.split_whitespace().collect();
        let name = match words[..] {
            [_] => None,
            [_, word, name] if word.eq_ignore_ascii_case("as") => Some(name.to_owned()),
            _ => panic!("FROM {}", from.rest),
        };
        Self { base: words[0].to_owned(), name, instructions: Vec::new() }
    }

    /// The instructions of a kind, in order.
    pub(super) fn all(&self, keyword: &str) -> impl Iterator<Item = &Instruction> {
        self.instructions.iter().filter(move |instruction| instruction.keyword == keyword)
    }

    /// The one instruction of a kind.
    #[track_caller]
    pub(super) fn only(&self, keyword: &str) -> &Instruction {
        let mut all = self.all(keyword);
        match (all.next(), all.next()) {
            (Some(one), None) => one,
            _ => panic!("not one {keyword}"),
        }
    }

    /// The `NAME=value` pairs of all instructions of a kind, ENV or ARG.
    pub(super) fn values(&self, keyword: &str) -> Vec<(String, String)> {
        let pairs = self.all(keyword).flat_map(|instruction| instruction.rest.split_whitespace());
        pairs.map(|pair| pair.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap()).collect()
    }
}

#[test]
fn instructions_are_read_as_an_engine_reads_them() {
    let text = "# a\nFROM a:1 AS one\nRUN --mount=type=cache,target=/x \\\n    # not this\n  b \\\n && c\n\
                from d:2\nCOPY --from=one --chown=1:1 /e /f\nCMD [\"g\", \"h i\"]\nENV A=1 \\\n B=2\n";
    let [one, two] = &parse(text)[..] else { panic!() };
    assert_eq!((&*one.base, one.name.as_deref()), ("a:1", Some("one")));
    let run = one.only("RUN");
    assert_eq!((run.flag("mount"), &*run.rest), (Some("type=cache,target=/x"), "b && c"));
    assert_eq!((&*two.base, two.only("COPY").flag("chown")), ("d:2", Some("1:1")));
    assert_eq!(two.only("CMD").words(), ["g", "h i"]);
    assert_eq!(two.values("ENV"), [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
}
