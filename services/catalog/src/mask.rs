//! Which fields of a product an update sets.

use mesh::Violations;

/// The most paths of a mask.
const PATHS_MAX: usize = 32;

/// A field of a product that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    Description,
    Brand,
    Categories,
    Price,
    ListPrice,
    Pictures,
    Attributes,
    Rating,
    Sku,
    State,
}

impl Field {
    pub(crate) const ALL: [Self; 11] = [
        Self::Name,
        Self::Description,
        Self::Brand,
        Self::Categories,
        Self::Price,
        Self::ListPrice,
        Self::Pictures,
        Self::Attributes,
        Self::Rating,
        Self::Sku,
        Self::State,
    ];

    /// Its name in the contract.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::Brand => "brand",
            Self::Categories => "categories",
            Self::Price => "price",
            Self::ListPrice => "list_price",
            Self::Pictures => "pictures",
            Self::Attributes => "attributes",
            Self::Rating => "rating",
            Self::Sku => "sku",
            Self::State => "state",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(u16);

impl Fields {
    pub(crate) const ALL: Self = Self((1 << Field::ALL.len()) - 1);

    pub(crate) const fn contains(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// The fields that a mask names (AIP-134): none means those that are `populated`, `*` means all.
    pub(crate) fn parse(paths: &[String], populated: Self) -> Result<Self, Violations> {
        const MASK: &str = "update_mask.paths";
        if paths.is_empty() {
            return Ok(populated);
        }
        if paths.len() > PATHS_MAX {
            return Err(Violations::one(MASK, format!("must be at most {PATHS_MAX} paths")));
        }
        if let [only] = paths
            && only == "*"
        {
            return Ok(Self::ALL);
        }
        let mut violations = Violations::default();
        let mut fields = Self::default();
        for (index, path) in paths.iter().enumerate() {
            match Field::ALL.into_iter().find(|field| field.name() == path) {
                Some(field) => fields.0 |= field.bit(),
                None => violations.add(format!("{MASK}[{index}]"), why(path)),
            }
        }
        violations.check().map(|()| fields)
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        Self(fields.into_iter().fold(0, |bits, field| bits | field.bit()))
    }
}

fn why(path: &str) -> &'static str {
    match path {
        "*" => "must stand alone",
        "product_id" | "create_time" | "update_time" | "revision" | "etag" => "is not a field that can be set",
        _ => "is not a field of a product",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(paths: &[&str]) -> Result<Fields, Violations> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        Fields::parse(&paths, [Field::Name].into_iter().collect())
    }

    #[test]
    fn no_mask_means_the_populated_fields_and_a_star_means_all() {
        assert_eq!(parse(&[]), Ok([Field::Name].into_iter().collect()));
        assert_eq!(parse(&["*"]), Ok(Fields::ALL));
    }

    #[test]
    fn every_unknown_or_fixed_path_is_named() {
        let violations = parse(&["name", "colour", "product_id", "price.units", "*", "revision"]).unwrap_err();
        let fields: Vec<_> = violations.as_slice().iter().map(|violation| violation.field.as_str()).collect();
        let expected = [1, 2, 3, 4, 5].map(|index| format!("update_mask.paths[{index}]"));
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_mask_has_at_most_32_paths() {
        assert!(parse(&["name"; 32]).is_ok());
        assert!(parse(&["name"; 33]).is_err());
    }

    proptest! {
        #[test]
        fn a_mask_of_known_names_contains_exactly_these(chosen in proptest::sample::subsequence(Field::ALL.to_vec(), 1..=11)) {
            let paths: Vec<String> = chosen.iter().map(|field| field.name().to_owned()).collect();
            let fields = Fields::parse(&paths, Fields::default()).unwrap();
            for field in Field::ALL {
                prop_assert_eq!(fields.contains(field), chosen.contains(&field));
            }
        }

        #[test]
        fn no_mask_panics(paths in proptest::collection::vec(".{0,12}", 0..40)) {
            let _either = Fields::parse(&paths, Fields::default()).is_ok();
        }
    }
}
