//! What a process prints on standard output: one line when, and only when, it answers.
//!
//! For people by default; as one JSON object a line for whoever starts it from a script.

use std::{fmt, io::Write as _, str::FromStr};

use serde_json::{Map, Value};

/// How the printed lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("{other:?} is no output: write text or json")),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl Output {
    /// Prints one event with its fields. Nobody reading standard output any more is no reason to stop serving.
    pub fn print(self, event: &str, fields: &[(&str, String)]) {
        let line = match self {
            Self::Json => {
                let named = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.clone())));
                let object = std::iter::once(("event".to_owned(), Value::from(event))).chain(named);
                Value::Object(object.collect::<Map<_, _>>()).to_string()
            }
            Self::Text => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
                format!("{event}: {}", fields.join(", "))
            }
        };
        let mut out = std::io::stdout().lock();
        let _closed = writeln!(out, "{line}").and_then(|()| out.flush()).is_err();
    }
}
