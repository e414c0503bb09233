//! What no field wants: other types, extremes, other scripts, control characters, and what is no JSON at all.

use serde_json::{Value, json};

/// A value as it is written.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    /// What it means, where it is JSON.
    pub(super) value: Option<Value>,
}

/// A few characters of it, for messages.
impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        write!(f, "{}", text.chars().take(60).collect::<String>())
    }
}

/// Texts that are hard on whoever reads them.
pub(super) fn texts() -> Vec<String> {
    let texts = [
        "",
        " ",
        "0",
        "-1",
        "NaN",
        "1e308",
        "9223372036854775808",
        "true",
        "null",
        "ثعلب أحمر",
        "雪の中の赤い狐",
        "\u{202e}drawkcab\u{202c}",
        "👩‍👩‍👧‍👦",
        "e\u{301}\u{301}\u{301}\u{301}",
        "٦",
        "a\u{0}b",
        "line\r\nX-Injected: yes\r\n\r\nbreak",
        "\u{1b}[31mred\u{7}",
        "\u{feff}\u{200b}",
        "../../../../etc/passwd",
        "'; DROP TABLE jobs; --",
        "<script>alert(1)</script>",
        "{{7*7}}${7*7}%s%n",
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
        "data:image/png;base64,####",
        "__proto__",
    ];
    let long = ["x".repeat(1 << 20), "狐".repeat(20_000), "9".repeat(5_000)];
    texts.into_iter().map(str::to_owned).chain(long).collect()
}

/// Values of every type of JSON, and what is no JSON.
pub(super) fn values() -> Vec<Written> {
    let others = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1),
        json!(0.5),
        json!(1e308),
        json!(-1e308),
        json!(u64::MAX),
        json!(i64::MIN),
        json!([]),
        json!([null]),
        json!([[[]]]),
        json!([1, "a", {}]),
        json!({}),
        json!({ "": null }),
        json!({ "a": { "b": { "c": [1] } } }),
        json!({ "id": 7, "url": 7, "token": 7, "type": 7, "text": 7 }),
        json!({ "id": "video_00000000000000000000000000000000" }),
        json!({ "url": "http://169.254.169.254/latest/meta-data" }),
        json!({ "\u{202e}\u{0}": "x" }),
        Value::Array(vec![json!(0); 100_000]),
    ];
    let texts = texts().into_iter().map(Value::String);
    let known = others.into_iter().chain(texts);
    let known = known.map(|value| Written { bytes: value.to_string().into_bytes(), value: Some(value) });
    let (open, close) = (100_000, 100_000);
    let broken: [Vec<u8>; 12] = [
        format!("{}{}", "[".repeat(open), "]".repeat(close)).into_bytes(),
        format!("{}1{}", "{\"a\":".repeat(open), "}".repeat(close)).into_bytes(),
        b"NaN".to_vec(),
        b"-Infinity".to_vec(),
        b"1e999".to_vec(),
        b"0.".to_vec(),
        b"\"\\ud800\"".to_vec(),
        b"\"\\udc00\\ud800\"".to_vec(),
        b"\"\xff\xfe\"".to_vec(),
        b"\"\xed\xa0\x80\"".to_vec(),
        b"\"raw\nline\"".to_vec(),
        b"undefined".to_vec(),
    ];
    known.chain(broken.map(|bytes| Written { bytes, value: None })).collect()
}
