//! What is in a cell: nothing, a line of text, or a value that some program wrote as JSON or as Python prints it.

use serde_json::{Map, Number, Value};

/// How deep values may be nested.
const DEPTH_MAX: u32 = 16;

/// Words that exports write where nothing is.
const NOTHING: [&str; 17] = [
    "null",
    "none",
    "nan",
    "n/a",
    "na",
    "#n/a",
    "nil",
    "undefined",
    "-",
    "--",
    "—",
    "–",
    "[]",
    "{}",
    "\\n",
    "\"\"",
    "['']",
];

/// The cell without white space around it; `None` if it says nothing.
pub(super) fn some(cell: &str) -> Option<&str> {
    let cell = cell.trim();
    let longest = 16;
    let nothing =
        cell.is_empty() || cell.len() <= longest && NOTHING.iter().any(|word| cell.eq_ignore_ascii_case(word));
    (!nothing).then_some(cell)
}

/// Text on one line: control characters are dropped, every white space is one space.
pub(super) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// The text, cut to `max` characters where it is longer.
pub(super) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    text.char_indices().nth(max).map_or(text, |(end, _)| text[..end].trim_end())
}

/// The list or the object that a cell holds.
pub(super) fn value(cell: &str) -> Option<Value> {
    if !cell.starts_with(['[', '{', '(']) {
        return None;
    }
    // What nests deeper than serde_json reads is no value here either.
    serde_json::from_str(cell).ok().or_else(|| Literal { rest: cell, depth: 0 }.whole())
}

/// What a scalar says, as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => some(text).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The first of these members that is there, whatever the case of its name.
pub(super) fn member<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    let named = |name: &&str| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    names.iter().filter_map(named).find(|value| !value.is_null())
}

/// A value as Python prints it: quotes of both kinds, `True`, `None`, tuples.
struct Literal<'a> {
    rest: &'a str,
    depth: u32,
}

impl Literal<'_> {
    fn whole(mut self) -> Option<Value> {
        let value = self.value()?;
        self.rest.trim().is_empty().then_some(value)
    }

    fn value(&mut self) -> Option<Value> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '[' => self.list(']'),
            '(' => self.list(')'),
            '{' => self.object(),
            quote @ ('"' | '\'') => self.text(quote).map(Value::String),
            _ => self.word(),
        }
    }

    fn take(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn list(&mut self, close: char) -> Option<Value> {
        let mut items = Vec::new();
        self.enter()?;
        while !self.take(close) {
            items.push(self.value()?);
            if !self.take(',') && !self.rest.starts_with(close) {
                return None;
            }
        }
        self.depth -= 1;
        Some(Value::Array(items))
    }

    fn object(&mut self) -> Option<Value> {
        let mut members = Map::new();
        self.enter()?;
        while !self.take('}') {
            let name = self.value()?;
            if !self.take(':') {
                return None;
            }
            let value = self.value()?;
            members.insert(scalar(&name)?, value);
            if !self.take(',') && !self.rest.starts_with('}') {
                return None;
            }
        }
        self.depth -= 1;
        Some(Value::Object(members))
    }

    fn enter(&mut self) -> Option<()> {
        self.rest = &self.rest[1..];
        self.depth += 1;
        (self.depth <= DEPTH_MAX).then_some(())
    }

    fn text(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'x' => text.push(escaped(&mut chars, 2)?),
                    'u' => text.push(escaped(&mut chars, 4)?),
                    other => text.push(other),
                },
                c if c == quote => {
                    self.rest = &self.rest[1 + at + 1..];
                    return Some(text);
                }
                c => text.push(c),
            }
        }
        None
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', ':', ']', ')', '}', ' ', '\n']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match word {
            "True" | "true" => Value::Bool(true),
            "False" | "false" => Value::Bool(false),
            "None" | "null" | "nan" | "NaN" => Value::Null,
            number => Value::Number(number.parse::<Number>().ok()?),
        })
    }
}

fn escaped(chars: &mut std::str::CharIndices<'_>, digits: usize) -> Option<char> {
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + chars.next()?.1.to_digit(16)?;
    }
    // Half of a pair stands for nothing by itself.
    Some(char::from_u32(code).unwrap_or('\u{fffd}'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_written_in_many_ways() {
        for cell in ["", "  ", "null", "NULL", "N/A", "-", "None", "NaN", "[]", "\u{a0}"] {
            assert_eq!(some(cell), None, "{cell:?}");
        }
        assert_eq!(some(" 0 "), Some("0"));
    }

    #[test]
    fn a_value_is_read_as_json_or_as_python_prints_it() {
        assert_eq!(value(r#"["a", {"b": 1.5}]"#), Some(json!(["a", {"b": 1.5}])));
        assert_eq!(value(r#"['it''s']"#), None);
        assert_eq!(
            value(r#"['it\'s', "it's", None, True, -2, ('x',)]"#),
            Some(json!(["it's", "it's", null, true, -2, ["x"]]))
        );
        assert_eq!(value(r"{'Farbe': 'gr\u00fcn', 'a': {'b': []}}"), Some(json!({"Farbe": "grün", "a": {"b": []}})));
        for broken in ["[", "['a'", "{'a'}", "[1 2]", "{1: }", "('a'] ", "[nope]", "{'a': 1} x", "text"] {
            assert_eq!(value(broken), None, "{broken}");
        }
        assert_eq!(value(&"[".repeat(100_000)), None);
    }

    #[test]
    fn a_line_has_no_control_characters_and_a_cut_counts_characters() {
        assert_eq!(line(" a\0b \r\n c\u{a0}d\u{85}"), "a b c d");
        assert_eq!((cut("ééé", 3), cut("éé é", 3)), ("ééé", "éé"));
    }
}
