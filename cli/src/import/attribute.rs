//! Properties of a product: in JSON, in pairs of text, in columns of their own.

use serde_json::{Map, Value};

use super::{cell, html};

/// The catalog's limits.
const ATTRIBUTES_MAX: usize = 100;
const NAME_MAX: usize = 100;
const VALUE_MAX: usize = 1_000;

/// Attributes in the order they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(pub(super) Vec<(String, String)>);

impl Attributes {
    /// Whether some attribute has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.to_lowercase() == name.to_lowercase())
    }

    /// Adds one, unless it is there or says nothing.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        let (name, value) = (cell::line(&html::text(name)), cell::line(&html::text(value)));
        let (Some(name), Some(value)) = (cell::some(&name), cell::some(&value)) else { return };
        let pair = (cell::cut(name, NAME_MAX).to_owned(), cell::cut(value, VALUE_MAX).to_owned());
        if self.0.len() < ATTRIBUTES_MAX && !self.0.contains(&pair) {
            self.0.push(pair);
        }
    }

    /// Adds what a cell of attributes holds; under `header` where it holds no names.
    pub(super) fn add_cell(&mut self, header: &str, text: &str) {
        let Some(text) = cell::some(text) else { return };
        if let Some(value) = cell::value(text) {
            return self.add_value(header, &value);
        }
        match pairs(text) {
            Some(pairs) => pairs.iter().for_each(|(name, value)| self.add(name, value)),
            None => self.add(header, text),
        }
    }

    /// Adds the value of a column that is one attribute.
    pub(super) fn add_column(&mut self, header: &str, text: &str) {
        let Some(text) = cell::some(text) else { return };
        match cell::value(text) {
            Some(Value::Array(items)) => {
                let values: Vec<String> = items.iter().filter_map(cell::scalar).collect();
                self.add(header, &values.join(", "));
            }
            Some(Value::Object(_)) => {}
            Some(_) | None => self.add(header, text),
        }
    }

    fn add_value(&mut self, header: &str, value: &Value) {
        match value {
            Value::Object(object) => self.add_object(object),
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::Object(object) => self.add_item(object),
                        Value::String(text) => match text.split_once(": ") {
                            Some((name, value)) => self.add(name, value),
                            None => self.add_cell(header, text),
                        },
                        Value::Array(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
                    }
                }
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    /// `{"Color": "red", "Size": ["S", "M"]}`
    fn add_object(&mut self, object: &Map<String, Value>) {
        for (name, value) in object {
            self.add(name, &text(value));
        }
    }

    /// `{"name": "Color", "value": "red"}`, or an object of attributes.
    fn add_item(&mut self, object: &Map<String, Value>) {
        let name = cell::member(object, &["name", "key", "label", "attribute", "attribute_name", "title", "k"]);
        let value = cell::member(object, &["value", "values", "option", "options", "attribute_value", "v"]);
        match (name.and_then(cell::scalar), value) {
            (Some(name), Some(value)) => self.add(&name, &text(value)),
            (Some(_), None) => {}
            (None, _) => self.add_object(object),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().filter_map(cell::scalar).collect::<Vec<_>>().join(", "),
        Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            cell::scalar(value).unwrap_or_default()
        }
    }
}

/// `Color: red; Size: M`, `color=red|size=M`, or a pair a line. Every part has to be a pair.
fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let parts = |separator: char| text.split(separator).map(str::trim).filter(|part| !part.is_empty());
    for between in ['\n', '|', ';', ','] {
        for inside in [':', '='] {
            let pair = |part| str::split_once(part, inside).map(|(name, value)| (name.trim(), value.trim()));
            let is_pair = |(name, value): &(&str, &str)| {
                !name.is_empty()
                    && !name.contains([',', ';', '|', '='])
                    && name.chars().count() <= NAME_MAX
                    && !value.is_empty()
                    && !value.starts_with("//")
            };
            let found: Option<Vec<_>> = parts(between).map(|part| pair(part).filter(is_pair)).collect();
            if let Some(found) = found.filter(|found| !found.is_empty() && (found.len() > 1 || between == ',')) {
                return Some(found);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let mut attributes = Attributes::default();
        attributes.add_cell("Details", text);
        attributes.0.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn attributes_are_read_however_they_are_nested() {
        let both = ["Color=red", "Size=S, M"];
        for text in [
            r#"{"Color":"red","Size":["S","M"]}"#,
            "{'Color': 'red', 'Size': ('S', 'M')}",
            r#"[{"name":"Color","value":"red"},{"name":"Size","values":["S","M"]}]"#,
            r#"[{"Color":"red"},{"Size":"S, M"}]"#,
            "Color: red; Size: S, M",
            "Color=red|Size=S, M",
            "Color: red\nSize: S, M",
            r#"["Color: red", "Size: S, M"]"#,
        ] {
            assert_eq!(read(text), both, "{text}");
        }
        assert_eq!(read("Handmade: yes"), ["Handmade=yes"]);
        assert_eq!(read("washable"), ["Details=washable"]);
        assert_eq!(
            read(r#"[{"name":"Style","value":"A"},{"name":"Style","value":"B"},{"name":"Style","value":"A"}]"#),
            ["Style=A", "Style=B"]
        );
    }

    #[test]
    fn what_says_nothing_is_no_attribute_and_html_is_text() {
        assert!(read(r#"{"a":null,"b":"","c":"N/A","d":{}}"#).is_empty());
        assert_eq!(read(r#"{"<b>A</b>":"x<script>alert(1)</script>"}"#), ["A=x"]);
    }
}
