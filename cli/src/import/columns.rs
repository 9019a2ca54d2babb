//! Which column is what: guessed from its name, confirmed by a sample of its values, overridden by `--map`.

use std::{collections::BTreeMap, str::FromStr};

use rpc::money::Currency;

use super::{
    confirm,
    names::{self, Field},
    records::Record,
};

/// Columns that are read for one field at most.
const COLUMNS_MAX: usize = 16;
/// Columns that become attributes at most.
const LEFTOVERS_MAX: usize = 60;

/// `--map FIELD=COLUMN`: nothing after the `=` is no column at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    field: Field,
    column: String,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (field, column) = text.split_once('=').ok_or("write FIELD=COLUMN, such as name=Title")?;
        let known = || Field::ALL.map(Field::name).join(", ");
        let field =
            Field::parse(field).ok_or_else(|| format!("there is no field {field:?}; the fields are {}", known()))?;
        Ok(Self { field, column: column.to_owned() })
    }
}

/// Why the columns cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("--map {field}={column}: there is no such column; the columns are {columns}")]
    NoColumn { field: &'static str, column: String, columns: String },
    #[error("no column is taken for the {field}: say --map {field}=COLUMN with one of {columns}")]
    Missing { field: &'static str, columns: String },
}

/// What the columns of a file are.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub(super) header: Vec<String>,
    of: BTreeMap<Field, Vec<usize>>,
    /// Columns with the names and with the values of attributes.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Columns that hold a level of the category each, from the root down.
    pub(super) levels: Vec<usize>,
    /// Columns that are one attribute each.
    pub(super) leftovers: Vec<usize>,
}

/// The names of a column.
struct Name {
    normal: String,
    /// Without numbers, currencies and words that only decorate.
    bare: String,
}

impl Columns {
    /// Finds them out.
    pub(super) fn find(header: &Record, sample: &[Record], mappings: &[Mapping]) -> Result<Self, Error> {
        let header: Vec<String> = header.cells().map(super::cell::line).collect();
        let names: Vec<Name> = header.iter().map(|header| Name::of(header)).collect();
        let mut columns = Self { header, ..Self::default() };
        let mut guess = Guess { names: &names, sample, taken: Vec::new() };
        columns.guess(&mut guess);
        for field in Field::ALL {
            let mapped: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.field == field).collect();
            if mapped.is_empty() {
                continue;
            }
            let named = mapped.iter().filter(|mapping| !mapping.column.is_empty());
            let found: Vec<usize> = named.map(|mapping| columns.position(mapping)).collect::<Result<_, _>>()?;
            if field == Field::Category {
                columns.levels.clear();
            }
            columns.of.insert(field, found);
        }
        columns.leftovers = guess.leftovers(&columns);
        for field in [Field::Name, Field::Price] {
            if columns.of(field).is_empty() {
                return Err(Error::Missing { field: field.name(), columns: columns.listed() });
            }
        }
        Ok(columns)
    }

    /// The columns of a field, the preferred ones first.
    pub(super) fn of(&self, field: Field) -> &[usize] {
        self.of.get(&field).map_or(&[], Vec::as_slice)
    }

    fn guess(&mut self, guess: &mut Guess<'_>) {
        // The name first: whether ids are unique is asked of rows that have one.
        let order = [Field::Name, Field::Price, Field::ListPrice, Field::Currency, Field::Stock, Field::Picture];
        let rest =
            [Field::Reviews, Field::Rating, Field::Sku, Field::Id, Field::Brand, Field::Category, Field::Description];
        for field in order.into_iter().chain(rest).chain([Field::Attributes]) {
            let mut found = guess.columns(field, self.of(Field::Name).first().copied());
            found.truncate(if field.is_repeated() { COLUMNS_MAX } else { 1 });
            guess.taken.extend(found.iter().filter(|_| !matches!(field, Field::Id | Field::Sku | Field::ListPrice)));
            if !found.is_empty() {
                self.of.insert(field, found);
            }
        }
        // What it costs now is not what it cost before.
        let now = self.of(Field::Price).first().copied();
        if let Some(before) = self.of.get_mut(&Field::ListPrice) {
            before.retain(|column| Some(*column) != now);
        }
        self.pairs = guess.pairs();
        self.levels = guess.levels(self.of(Field::Category).first().copied());
    }

    fn position(&self, mapping: &Mapping) -> Result<usize, Error> {
        let exact = self.header.iter().position(|header| *header == mapping.column);
        let alike = || self.header.iter().position(|header| names::normal(header) == names::normal(&mapping.column));
        let number = || mapping.column.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let found = exact.or_else(|| alike().filter(|_| !names::normal(&mapping.column).is_empty())).or_else(number);
        found.filter(|index| *index < self.header.len()).ok_or_else(|| Error::NoColumn {
            field: mapping.field.name(),
            column: mapping.column.clone(),
            columns: self.listed(),
        })
    }

    fn listed(&self) -> String {
        const SHOWN: usize = 60;
        let shown = |name: &String| format!("{:?}", super::cell::cut(name, 40));
        let mut list: Vec<String> = self.header.iter().take(SHOWN).map(shown).collect();
        if self.header.len() > SHOWN {
            list.push(format!("and {} more", self.header.len() - SHOWN));
        }
        list.join(", ")
    }
}

impl Name {
    fn of(header: &str) -> Self {
        const DECORATION: [&str; 16] = [
            "product",
            "item",
            "variant",
            "g",
            "in",
            "incl",
            "inkl",
            "including",
            "excl",
            "mwst",
            "vat",
            "ttc",
            "ht",
            "the",
            "of",
            "brutto",
        ];
        let normal = names::normal(header);
        let decorates = |word: &str| {
            DECORATION.contains(&word)
                || word.len() == 3 && Currency::parse(&word.to_ascii_uppercase()).is_some() && word != "all"
        };
        let words = normal.split(' ').map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()));
        let bare: Vec<&str> = words.filter(|word| !word.is_empty() && !decorates(word)).collect();
        Self { bare: bare.join(" "), normal }
    }
}

/// What is known while columns are guessed.
struct Guess<'a> {
    names: &'a [Name],
    sample: &'a [Record],
    /// Columns that are something already.
    taken: Vec<usize>,
}

impl Guess<'_> {
    /// The columns that may be `field`, the best first.
    fn columns(&self, field: Field, name: Option<usize>) -> Vec<usize> {
        let known = field.known();
        let mut ranked: Vec<((bool, usize, usize), usize)> = Vec::new();
        for (index, column) in self.names.iter().enumerate() {
            let free = !self.taken.contains(&index) || matches!(field, Field::Id | Field::ListPrice);
            let place = known.iter().position(|name| *name == column.normal).map(|place| (0, place));
            let bare = || known.iter().position(|name| *name == column.bare).map(|place| (1, place));
            let within = || self.within(field, column, known).map(|place| (2, place));
            let Some((tier, place)) = place.or_else(bare).or_else(within).filter(|_| free) else { continue };
            let values: Vec<&str> = self.values(index, name.filter(|_| field == Field::Id)).collect();
            // A column without values in the sample may have some later, but not instead of one that has.
            let confirmed =
                if values.is_empty() { tier == 0 && field != Field::Id } else { confirm::is(field, &values) };
            if confirmed {
                ranked.push(((values.is_empty(), tier, place), index));
            }
        }
        ranked.sort_unstable();
        let exact = ranked.iter().any(|((empty, tier, _), _)| !empty && *tier < 2);
        ranked.iter().filter(|((_, tier, _), _)| *tier < 2 || !exact).map(|(_, index)| *index).collect()
    }

    /// Whether the header holds a name of the field among other words.
    fn within(&self, field: Field, column: &Name, known: &[String]) -> Option<usize> {
        const OTHERWISE: [&str; 16] = [
            "shipping", "count", "id", "currency", "number", "status", "type", "alt", "versand", "cost", "date",
            "code", "discount", "url key", "average", "position",
        ];
        let open = matches!(field, Field::Name | Field::Price | Field::Picture | Field::Category | Field::Description);
        let words = format!(" {} ", column.normal);
        if !open || OTHERWISE.iter().any(|word| words.contains(&format!(" {word} "))) {
            return None;
        }
        let holds = |name: &String| {
            if name.is_ascii() {
                name.len() > 3 && words.contains(&format!(" {name} "))
            } else {
                column.normal.contains(name)
            }
        };
        known.iter().position(holds)
    }

    /// What the sample has in a column, in rows that have something in `beside`.
    fn values(&self, column: usize, beside: Option<usize>) -> impl Iterator<Item = &str> {
        let named = move |row: &&Record| beside.is_none_or(|beside| super::cell::some(row.get(beside)).is_some());
        self.sample.iter().filter(named).filter_map(move |row| super::cell::some(row.get(column)))
    }

    /// `Attribute 1 name` and `Attribute 1 value(s)`, `Option1 Name` and `Option1 Value`.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let begins =
            |name: &str| ["attribute", "option", "attribut", "property", "spec"].iter().any(|it| name.starts_with(it));
        let mut pairs = Vec::new();
        for (index, column) in self.names.iter().enumerate().filter(|(_, column)| begins(&column.normal)) {
            let Some(stem) = column.normal.strip_suffix(" name") else { continue };
            let is_value =
                |name: &Name| ["value", "values", "value s"].iter().any(|it| name.normal == format!("{stem} {it}"));
            pairs.extend(self.names.iter().position(is_value).map(|value| (index, value)));
        }
        pairs
    }

    /// `Category 1`, `Category 2`, or a root beside a category that holds no path.
    fn levels(&self, category: Option<usize>) -> Vec<usize> {
        let stems = ["cat", "kat", "rubr", "кат", "カテゴリ", "level", "breadcrumb"];
        let number = |name: &str| -> Option<u32> {
            let digits: String = name.chars().filter(char::is_ascii_digit).collect();
            let stem = stems.iter().any(|stem| name.contains(stem)) && !name.contains("id");
            digits.parse().ok().filter(|number| stem && *number < 10)
        };
        let mut numbered: Vec<(u32, usize)> =
            self.names.iter().enumerate().filter_map(|(index, name)| Some((number(&name.normal)?, index))).collect();
        numbered.sort_unstable();
        if numbered.len() > 1 {
            return numbered.into_iter().map(|(_, index)| index).collect();
        }
        let Some(category) = category else { return Vec::new() };
        if self.values(category, None).any(|value| value.contains(['>', '/', '|', '[']) || value.contains('»')) {
            return Vec::new();
        }
        let at = |names: &[&str]| self.names.iter().position(|name| names.contains(&name.normal.as_str()));
        let root =
            at(&["root category", "main category", "department", "parent category", "hauptkategorie", "top category"]);
        let below = at(&["sub category", "subcategory", "unterkategorie", "sous categorie"]);
        let mut levels: Vec<usize> = [root, Some(category), below].into_iter().flatten().collect();
        levels.dedup();
        if levels.len() > 1 { levels } else { Vec::new() }
    }

    /// Columns that are nothing else and look like an attribute.
    fn leftovers(&self, columns: &Columns) -> Vec<usize> {
        let used = |index: &usize| {
            columns.of.values().flatten().chain(&columns.levels).any(|used| used == index)
                || columns.pairs.iter().any(|(name, value)| name == index || value == index)
        };
        let is_attribute = |index: &usize| {
            let name = &self.names[*index].normal;
            !names::is_ignored(name) && confirm::is_attribute(self.values(*index, None))
        };
        (0..self.names.len()).filter(|index| !used(index) && is_attribute(index)).take(LEFTOVERS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `field=column`, for all that was found.
    fn found(header: &[&str], rows: &[&[&str]], mappings: &[&str]) -> Result<Vec<String>, Error> {
        let mappings: Vec<Mapping> = mappings.iter().map(|text| text.parse().unwrap()).collect();
        let rows: Vec<Record> = rows.iter().map(|row| Record::of(2, row.iter().copied())).collect();
        let columns = Columns::find(&Record::of(1, header.iter().copied()), &rows, &mappings)?;
        let fields = columns.of.iter().flat_map(|(field, found)| found.iter().map(|index| (field.name(), *index)));
        let attributes = columns.leftovers.iter().map(|index| ("attribute", *index));
        Ok(fields.chain(attributes).map(|(field, index)| format!("{field}={}", columns.header[index])).collect())
    }

    #[test]
    fn columns_are_known_in_several_languages() {
        let german = ["Artikelnummer", "Bezeichnung", "Preis (EUR)", "Verfügbare Menge", "Farbe"];
        let row: &[&str] = &["A-1", "Teekanne", "12,50", "4", "rot"];
        let expected = [
            "id=Artikelnummer",
            "sku=Artikelnummer",
            "name=Bezeichnung",
            "price=Preis (EUR)",
            "stock=Verfügbare Menge",
            "attribute=Farbe",
        ];
        assert_eq!(found(&german, &[row], &[]).unwrap(), expected);
        let japanese = ["商品番号", "商品名", "価格（税込）", "在庫数", "画像URL"];
        let row: &[&str] = &["1", "急須", "¥1,200", "3", "https://cdn.example/1.jpg"];
        let expected =
            ["id=商品番号", "sku=商品番号", "name=商品名", "price=価格（税込）", "stock=在庫数", "picture=画像URL"];
        assert_eq!(found(&japanese, &[row], &[]).unwrap(), expected);
        let russian = ["Артикул", "Наименование", "Цена, руб.", "Остаток", "Бренд"];
        let row: &[&str] = &["77", "Чайник", "12 990", "3", "Заря"];
        let expected =
            ["id=Артикул", "sku=Артикул", "name=Наименование", "brand=Бренд", "price=Цена, руб.", "stock=Остаток"];
        assert_eq!(found(&russian, &[row], &[]).unwrap(), expected);
    }

    #[test]
    fn a_name_counts_only_where_the_values_agree() {
        let row: &[&str] = &["https://shop.example/1", "Teapot", "Pot", "12.50"];
        let found = found(&["title", "name", "label", "price"], &[row], &[]).unwrap();
        assert!(found.contains(&"name=name".to_owned()) && found.contains(&"price=price".to_owned()), "{found:?}");
    }

    #[test]
    fn a_map_overrides_the_guess_and_what_is_not_there_is_answered_with_what_is() {
        let (header, row): (&[&str], &[&str]) = (&["name", "Titel 2", "price"], &["Pot", "Teapot", "1"]);
        let found_all = found(header, &[row], &["name=titel 2"]).unwrap();
        assert_eq!(found_all[0], "name=Titel 2");
        assert_eq!(found(header, &[row], &["name=2"]).unwrap()[0], "name=Titel 2");
        let error = found(header, &[row], &["name=nome"]).unwrap_err();
        assert!(error.to_string().contains("\"name\", \"Titel 2\", \"price\""), "{error}");
        let error = found(header, &[row], &["price="]).unwrap_err();
        assert!(matches!(error, Error::Missing { field: "price", .. }), "{error}");
        let error = "colour=red".parse::<Mapping>().unwrap_err();
        assert!(error.contains("id, sku, name"), "{error}");
    }
}
