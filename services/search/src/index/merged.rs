//! The texts of all segments in one order, so that what is counted by their numbers is added up without looking at a text.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::facts::Texts;

/// All texts of some lists, ascending, each once. The lists are those of a view's segments, in their order.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    /// Where each text is first found: the list, and its number there.
    places: Vec<(u32, u32)>,
    /// By list: which of all texts each of its own is.
    numbers: Vec<Vec<u32>>,
}

impl Merged {
    /// Merges ascending lists.
    pub(super) fn of(lists: &[&Texts]) -> Self {
        let mut merged = Self { places: Vec::new(), numbers: vec![Vec::new(); lists.len()] };
        let first = |list| Some(Reverse((text(lists, list, 0)?, list)));
        let mut next: BinaryHeap<_> = (0..lists.len()).filter_map(first).collect();
        let mut last = None;
        while let Some(Reverse((found, list))) = next.pop() {
            let own = merged.numbers[list].len();
            if last != Some(found) {
                merged.places.push((small(list), small(own)));
                last = Some(found);
            }
            merged.numbers[list].push(small(merged.places.len() - 1));
            next.extend(text(lists, list, own + 1).map(|text| Reverse((text, list))));
        }
        merged
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Which of all texts each of a list's is.
    pub(crate) fn numbers(&self, list: usize) -> &[u32] {
        &self.numbers[list]
    }

    /// Where a text is found: the list, and its number there.
    pub(crate) fn place(&self, number: u32) -> (usize, u32) {
        let (list, own) = self.places[number as usize];
        (list as usize, own)
    }
}

fn text<'a>(lists: &[&'a Texts], list: usize, number: usize) -> Option<&'a str> {
    (number < lists[list].len()).then(|| lists[list].get(small(number)))
}

/// There are fewer segments and texts than 2^32.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_is_there_once_in_order_and_each_list_knows_its_own(
            lists in prop::collection::vec(prop::collection::btree_set("[a-c]{0,2}", 0..6), 0..4),
        ) {
            let texts: Vec<Texts> = lists.iter().map(|list| Texts::from_iter(list.iter().map(String::as_str))).collect();
            let merged = Merged::of(&texts.iter().collect::<Vec<_>>());
            let all: Vec<&str> = (0..small(merged.len()))
                .map(|number| merged.place(number))
                .map(|(list, own)| texts[list].get(own))
                .collect();
            let expected: std::collections::BTreeSet<&str> = lists.iter().flatten().map(String::as_str).collect();
            prop_assert_eq!(&all, &expected.into_iter().collect::<Vec<_>>());
            for (index, list) in lists.iter().enumerate() {
                let own: Vec<&str> = merged.numbers(index).iter().map(|number| all[*number as usize]).collect();
                prop_assert_eq!(own, list.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
    }
}
