//! The index as its feeds see it: what comes in, in which order, and what is there after it.

mod keeping;
mod shelf;

use std::collections::HashSet;

use super::change::{Feed, Pending};
use super::volume::{Payload, Volume};
use super::{Address, Cursor, schema};
use crate::fixture::{deleted, made, product, stock};
use crate::index::{Change, What};
use crate::product::Availability;

pub(crate) use shelf::Shelf;

#[test]
fn a_product_is_there_after_its_commit_and_gone_after_its_deletion() {
    let mut shelf = Shelf::default();
    shelf.commit([made("lamp", 1, product("Lamp"))]);
    assert_eq!(shelf.names(), ["Lamp"]);
    shelf.commit([made("lamp", 2, product("Lantern")), made("mug", 1, product("Mug"))]);
    assert_eq!(shelf.names(), ["Lantern", "Mug"]);
    shelf.commit([deleted("lamp", 3)]);
    assert_eq!(shelf.names(), ["Mug"]);
    assert_eq!(shelf.view().live, 1);
}

#[test]
fn a_revision_never_goes_back_not_even_over_a_deletion() {
    let mut shelf = Shelf::default();
    shelf.commit([made("lamp", 5, product("New"))]);
    shelf.commit([made("lamp", 4, product("Old"))]);
    assert_eq!(shelf.names(), ["New"]);
    shelf.commit([made("lamp", 7, product("Newest")), made("lamp", 6, product("Newer"))]);
    assert_eq!(shelf.names(), ["Newest"]);
    shelf.commit([deleted("lamp", 8)]);
    shelf.commit([made("lamp", 7, product("Newest"))]);
    assert_eq!(shelf.names(), [""; 0]);
    shelf.commit([made("lamp", 9, product("Again"))]);
    assert_eq!(shelf.names(), ["Again"]);
}

#[test]
fn a_product_that_is_no_longer_sold_is_not_found_and_keeps_its_revision() {
    let mut shelf = Shelf::default();
    shelf.commit([made("lamp", 1, product("Lamp"))]);
    let discontinued = |revision| Change { id: "lamp".into(), revision, what: What::Discontinued, time_us: None };
    shelf.commit([discontinued(3)]);
    assert_eq!(shelf.names(), [""; 0]);
    shelf.commit([made("lamp", 2, product("Lamp"))]);
    assert_eq!(shelf.names(), [""; 0]);
    shelf.commit([made("lamp", 4, product("Lamp"))]);
    assert_eq!(shelf.names(), ["Lamp"]);
}

#[test]
fn stock_may_come_before_its_product_and_stays_over_its_changes() {
    let mut shelf = Shelf::default();
    shelf.commit([stock("lamp", 4, true)]);
    assert_eq!(shelf.names(), [""; 0]);
    shelf.commit([made("lamp", 1, product("Lamp"))]);
    assert_eq!(shelf.stock("lamp"), (Availability::InStock, 4));
    shelf.commit([made("lamp", 2, product("Lamp")), stock("lamp", 3, false)]);
    assert_eq!(shelf.stock("lamp"), (Availability::InStock, 4));
    shelf.commit([stock("lamp", 5, false)]);
    assert_eq!(shelf.stock("lamp"), (Availability::OutOfStock, 5));
    shelf.commit([made("mug", 1, product("Mug"))]);
    assert_eq!(shelf.stock("mug"), (Availability::Unknown, 0));
    shelf.commit([deleted("lamp", 3)]);
    shelf.commit([made("lamp", 4, product("Lamp"))]);
    assert_eq!(shelf.stock("lamp"), (Availability::OutOfStock, 5));
}

#[test]
fn what_a_snapshot_does_not_name_goes_and_what_it_names_is_so_whatever_was_known() {
    let mut shelf = Shelf::default();
    shelf.commit([
        made("a", 9, product("A")),
        made("b", 1, product("B")),
        made("c", 1, product("C")),
        stock("b", 2, true),
    ]);
    let mut pending = Pending::default();
    pending.add(made("a", 2, product("A set back")), true);
    pending.add(stock("b", 3, false), false);
    pending.named[Feed::Products.index()] = Some(HashSet::from(["a".to_owned()]));
    shelf.commit_pending(pending);
    assert_eq!(shelf.names(), ["A set back"]);
    // The stock of a product that went stays known, for when it comes back.
    shelf.commit([made("b", 2, product("B"))]);
    assert_eq!(shelf.stock("b"), (Availability::OutOfStock, 3));
    shelf.commit([made("a", 3, product("A goes on"))]);
    assert_eq!(shelf.names(), ["A goes on", "B"]);
}

#[test]
fn what_is_kept_of_a_deleted_product_is_forgotten_after_its_time() {
    let mut shelf = Shelf::default();
    shelf.commit([made("lamp", 1, product("Lamp")), made("mug", 1, product("Mug"))]);
    shelf.commit([deleted("lamp", 2)]);
    let kept = |shelf: &Shelf| shelf.view().find("lamp").unwrap().is_some();
    shelf.now_s += 8 * 24 * 60 * 60;
    shelf.forget();
    assert!(kept(&shelf));
    shelf.now_s += 2 * 24 * 60 * 60;
    shelf.forget();
    assert!(!kept(&shelf));
    assert_eq!(shelf.names(), ["Mug"]);
}

#[test]
fn a_volume_goes_on_from_what_was_committed_with_its_documents() {
    let folder = tempfile::tempdir().unwrap();
    let payload = Payload {
        version: schema::VERSION,
        complete: true,
        cursors: [Some(Cursor { text: "p7".into(), position: 7 }), None],
        heard_us: Some(5),
    };
    let mut volume = Volume::open(folder.path()).unwrap();
    assert_eq!(volume.payload().cursors, [None, None]);
    assert!(volume.lock().unwrap());
    let mut pending = Pending::default();
    pending.add(made("lamp", 1, product("Lamp")), false);
    volume.commit(pending, &payload, 1).unwrap();
    drop(volume);
    let volume = Volume::open(folder.path()).unwrap();
    assert_eq!(*volume.payload(), payload);
    assert_eq!(volume.view().live, 1);
}

#[test]
fn a_volume_that_is_damaged_or_of_another_version_is_made_anew() {
    for damage in ["a segment", "the list of segments", "the version", "no index at all"] {
        let folder = tempfile::tempdir().unwrap();
        let mut volume = Volume::open(folder.path()).unwrap();
        assert!(volume.lock().unwrap());
        let mut pending = Pending::default();
        pending.add(made("lamp", 1, product("Lamp")), false);
        let version = if damage == "the version" { schema::VERSION + 1 } else { schema::VERSION };
        let payload = Payload {
            version,
            complete: true,
            cursors: [Some(Cursor { text: "7".into(), position: 7 }), None],
            heard_us: None,
        };
        volume.commit(pending, &payload, 1).unwrap();
        drop(volume);
        let file = |name: &str| {
            let mut files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            files.find(|path| path.to_string_lossy().ends_with(name)).unwrap()
        };
        match damage {
            "a segment" => {
                let path = file(".store");
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[0] ^= 1;
                std::fs::write(path, bytes).unwrap();
            }
            "the list of segments" => std::fs::write(file("meta.json"), "{").unwrap(),
            "no index at all" => std::fs::remove_dir_all(folder.path()).unwrap(),
            _ => {}
        }
        let volume = Volume::open(folder.path()).unwrap();
        assert_eq!(volume.payload().cursors, [None, None], "{damage}");
        assert!(!volume.payload().complete && volume.view().live == 0, "{damage}");
    }
}

#[test]
fn one_process_writes_and_another_sees_what_it_commits() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Volume::open(folder.path()).unwrap();
    let mut second = Volume::open(folder.path()).unwrap();
    assert!(first.lock().unwrap() && !second.lock().unwrap());
    let mut pending = Pending::default();
    pending.add(made("lamp", 1, product("Lamp")), false);
    first.commit(pending, &Payload { version: schema::VERSION, ..Payload::default() }, 1).unwrap();
    assert!(second.reload().unwrap() && !second.reload().unwrap());
    assert_eq!(second.view().live, 1);
    drop(first);
    assert!(second.lock().unwrap());
}

#[test]
fn suggestions_are_words_pairs_names_brands_and_categories_by_their_products() {
    let mut shelf = Shelf::default();
    let mut lamp = product("Brass Desk Lamp");
    (lamp.brand, lamp.categories) = ("Über & Co".into(), vec![crate::fixture::path(&["Home", "Desktop lights"])]);
    shelf.commit([
        made("1", 1, lamp),
        made("2", 1, product("Steel desk lamp")),
        made("3", 1, product("Настольная лампа")),
    ]);
    shelf.commit([made("4", 1, product("Desk mat"))]);
    shelf.commit([deleted("4", 2)]);
    let suggestions = super::Suggestions::read(shelf.view()).unwrap();
    let find = |prefix: &str| {
        let found = suggestions.find(prefix, 5).into_iter();
        found.map(|suggestion| (suggestion.query, suggestion.products)).collect::<Vec<_>>()
    };
    assert_eq!(find("des")[0], ("desk lamp".to_owned(), 2));
    assert!(find("DES").iter().any(|(query, _)| query == "Desktop lights"));
    assert!(!find("d").iter().any(|(query, _)| query.contains("mat")), "{:?}", find("d"));
    assert_eq!(find("uber"), [("Über & Co".to_owned(), 1)]);
    assert_eq!(find("desk la")[0].0, "desk lamp");
    assert_eq!(find("ЛАМ"), [("настольная лампа".to_owned(), 1)].map(|_| ("Настольная лампа".to_owned(), 1)));
    assert_eq!(find("xyz"), []);
    assert_eq!(find(" \u{0}"), []);
}

#[test]
fn of_suggestions_that_differ_by_case_or_plural_alone_the_most_useful_one_is_given() {
    let mut shelf = Shelf::default();
    let mut lantern = product("Storm lantern");
    lantern.categories = vec![crate::fixture::path(&["Home", "Lanterns"])];
    shelf.commit([
        made("1", 1, lantern),
        made("2", 1, product("LANTERN box")),
        made("3", 1, product("Blue lanterns")),
        made("4", 1, product("Paper lanterns")),
        made("5", 1, product("Lanterns and lace")),
        made("6", 1, product("Lantern glass")),
        made("7", 1, product("Lanternfish")),
    ]);
    let suggestions = super::Suggestions::read(shelf.view()).unwrap();
    let queries = |prefix: &str| {
        let found = suggestions.find(prefix, 8).into_iter().map(|suggestion| suggestion.query.to_lowercase());
        found.collect::<Vec<_>>()
    };
    let lan = queries("lan");
    assert_eq!(lan.iter().filter(|query| matches!(query.as_str(), "lantern" | "lanterns")).count(), 1, "{lan:?}");
    assert!(lan.contains(&"lanternfish".to_owned()), "{lan:?}");
}

impl Shelf {
    fn stock(&self, id: &str) -> (Availability, u64) {
        let Address { segment, doc } = self.view().find(id).unwrap().unwrap();
        let fact = self.view().segments[segment].facts.of(doc);
        (fact.availability(), fact.stock_revision)
    }
}
