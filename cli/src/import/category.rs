//! Where a product stands: trees in JSON, breadcrumbs in text, one path or several.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{cell, html};

/// The catalog's limits.
const PATHS_MAX: usize = 8;
const NAMES_MAX: usize = 8;
const NAME_MAX: usize = 100;

/// What stands between a category and the one below it, the surest first.
const BELOW: [&str; 9] = [">>", ">", "»", "›", "→", "::", "/", "|", "\\"];
/// From here on in [`BELOW`] they are often part of a name, and only separate where most of the column has them.
const UNSURE: usize = 6;
/// Roots that a shop's program has and its visitors do not see.
const HIDDEN_ROOTS: [&str; 4] = ["default category", "root catalog", "root category", "root"];

/// How the categories of a column are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    below: Option<&'static str>,
    /// Whether commas separate paths.
    commas: bool,
}

impl Style {
    /// Looks at a sample. Only under a name in the plural are commas more than part of a name.
    pub(super) fn of<'a>(header: &str, cells: &(impl Iterator<Item = &'a str> + Clone)) -> Self {
        let text = || cells.clone().filter_map(cell::some).filter(|cell| cell::value(cell).is_none());
        let total = text().count();
        let mut counts = BTreeMap::new();
        for cell in text() {
            for (index, separator) in BELOW.iter().enumerate().filter(|(_, separator)| cell.contains(**separator)) {
                let _seen = counts.entry(index).and_modify(|count| *count += 1).or_insert(1_usize);
                if *separator == ">>" {
                    break;
                }
            }
        }
        let enough = |(index, count): &(&usize, &usize)| **index < UNSURE || **count * 2 > total;
        let below = counts.iter().find(enough).map(|(index, _)| BELOW[*index]);
        let plural = ["categories", "kategorien", "categorias", "kategorie", "категории"].contains(&header);
        Self { below, commas: plural }
    }

    /// The paths of a cell, each from the root down.
    pub(super) fn paths(self, text: &str) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        let Some(text) = cell::some(text) else { return paths };
        match cell::value(text) {
            Some(value) => self.add_value(&value, &mut paths),
            None => self.add_text(text, &mut paths),
        }
        paths
    }

    fn add_value(self, value: &Value, paths: &mut Vec<Vec<String>>) {
        match value {
            Value::Array(items) if items.iter().all(|item| name(item).is_some()) => {
                let names: Vec<String> = items.iter().filter_map(name).collect();
                // A list of breadcrumbs, each a path of its own.
                if names.iter().any(|name| name.contains('>')) {
                    names.iter().for_each(|name| self.add_text(name, paths));
                } else {
                    push(&names, paths);
                }
            }
            Value::Array(items) => items.iter().take(PATHS_MAX).for_each(|item| match item {
                Value::Array(_) | Value::Object(_) => self.add_value(item, paths),
                Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
                    name(item).into_iter().for_each(|text| self.add_text(&text, paths));
                }
            }),
            Value::Object(_) => name(value).into_iter().for_each(|text| self.add_text(&text, paths)),
            Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    fn add_text(self, text: &str, paths: &mut Vec<Vec<String>>) {
        // Entities before separators: `Home &amp; Garden &gt; Tools`.
        let text = html::text(text);
        let below = match self.below {
            Some(below) if text.contains(below) => Some(below),
            _ => BELOW[..UNSURE].iter().copied().find(|separator| text.contains(separator)),
        };
        let beside: &[char] = match below {
            Some(">" | ">>" | "»" | "›" | "→" | "::") if self.commas => &[',', ';', '|', '\n'],
            Some(">" | ">>" | "»" | "›" | "→" | "::") => &[';', '|', '\n'],
            _ if self.commas => &[',', ';', '\n'],
            _ => &[';', '\n'],
        };
        for path in text.replace("\\,", "\u{1}").split(beside) {
            let path = path.replace('\u{1}', ",");
            let names = match below {
                Some(below) => path.split(below).map(str::to_owned).collect(),
                None => vec![path],
            };
            push(&names, paths);
        }
    }
}

/// Adds a path within the catalog's limits, if there is anything in it and it is not there yet.
fn push(names: &[String], paths: &mut Vec<Vec<String>>) {
    let clean = names.iter().map(|name| cell::cut(&cell::line(name), NAME_MAX).to_owned());
    let mut names: Vec<String> = clean.filter(|name| cell::some(name).is_some()).collect();
    if names.len() > 1 && HIDDEN_ROOTS.iter().any(|root| names[0].eq_ignore_ascii_case(root)) {
        names.remove(0);
    }
    names.truncate(NAMES_MAX);
    if !names.is_empty() && paths.len() < PATHS_MAX && !paths.contains(&names) {
        paths.push(names);
    }
}

/// A category's name in JSON: a text, or an object with one.
fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => cell::some(text).map(str::to_owned),
        Value::Object(object) => cell::scalar(cell::member(object, &["name", "title", "label", "category", "text"])?),
        Value::Array(_) | Value::Number(_) | Value::Bool(_) | Value::Null => None,
    }
}

/// One path of columns that each hold a level.
pub(super) fn levels<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<Vec<String>> {
    let mut names: Vec<String> = cells.filter_map(cell::some).map(|name| cell::line(&html::text(name))).collect();
    names.dedup();
    let mut paths = Vec::new();
    push(&names, &mut paths);
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(header: &str, column: &[&str], text: &str) -> Vec<String> {
        let style = Style::of(header, &column.iter().copied());
        style.paths(text).into_iter().map(|names| names.join(" > ")).collect()
    }

    #[test]
    fn a_tree_in_json_is_one_path() {
        let tree = r#"[{"name":"Home & Living","url":"https://shop.example/1"},{"name":"Lamps","url":"https://shop.example/2"}]"#;
        assert_eq!(paths("category tree", &[tree], tree), ["Home & Living > Lamps"]);
        assert_eq!(paths("category", &[], "['Home', 'Lamps']"), ["Home > Lamps"]);
        assert_eq!(paths("category", &[], r#"["Home >> Lamps >> Desk"]"#), ["Home > Lamps > Desk"]);
        assert_eq!(paths("category", &[], r#"[["Home","Lamps"],["Office"]]"#), ["Home > Lamps", "Office"]);
    }

    #[test]
    fn breadcrumbs_are_separated_as_the_column_separates_them() {
        assert_eq!(paths("category", &[], "Home > Lamps > Desk"), ["Home > Lamps > Desk"]);
        assert_eq!(paths("category", &[], "Home &amp; Garden &gt; Lamps"), ["Home & Garden > Lamps"]);
        let slashes = ["A/B/C", "A/D"];
        assert_eq!(paths("category", &slashes, "A/B/C"), ["A > B > C"]);
        assert_eq!(paths("category", &["Wallets/Purses", "Bags", "Shoes"], "Wallets/Purses"), ["Wallets/Purses"]);
        assert_eq!(paths("category", &["A|B", "C|D"], "A|B"), ["A > B"]);
        assert_eq!(
            paths("category", &["A > B"], "Clothing, Shoes & Jewelry > Men"),
            ["Clothing, Shoes & Jewelry > Men"]
        );
    }

    #[test]
    fn several_paths_come_apart() {
        assert_eq!(paths("categories", &["A > B, C"], "Clothing > Hoodies, Sale"), ["Clothing > Hoodies", "Sale"]);
        let magento = "Default Category/Gear,Default Category/Gear/Bags";
        assert_eq!(paths("categories", &[magento], magento), ["Gear", "Gear > Bags"]);
        assert_eq!(paths("categories", &["A"], r"Tea\, coffee, Sale"), ["Tea, coffee", "Sale"]);
        assert_eq!(paths("category", &["A > B"], "A > B | C > D"), ["A > B", "C > D"]);
    }

    #[test]
    fn nothing_is_no_category() {
        for text in ["", "null", "[]", " > ", "N/A"] {
            assert!(paths("category", &[], text).is_empty(), "{text}");
        }
    }
}
