//! Catalogs of the generator that measurements are made on: what the publisher itself would have published.

use std::collections::{BTreeMap, BTreeSet};

use sysext_publish::context::Environment;
use test_repos::big_catalog;

use crate::common::Vendor;
use crate::write_catalog;

/// More than one table of contents holds.
const EXTENSIONS: usize = 230;

fn generated() -> Vendor {
    let vendor = Vendor::new();
    let environment = Environment {
        variable: |_| None,
        ..Environment::of_process()
    };
    let size = (EXTENSIONS, 2);
    let url = "https://sysext.example";
    write_catalog::write(&vendor.path(""), size, url, environment).unwrap();
    vendor
}

/// What differs between two states of a catalog, besides the files of images.
fn differing(
    before: &BTreeMap<String, Vec<u8>>,
    after: &BTreeMap<String, Vec<u8>>,
) -> BTreeSet<String> {
    let changed = after
        .iter()
        .filter(|(name, bytes)| before.get(*name) != Some(bytes));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let names = changed.map(|(name, _)| name).chain(gone);
    names
        .filter(|name| !name.starts_with("images/"))
        .cloned()
        .collect()
}

#[test]
fn an_image_changes_its_index_and_what_says_that_it_is_new_and_nothing_else() {
    let vendor = generated();
    let before = vendor.published();
    let groups = before
        .keys()
        .filter(|name| name.starts_with("metadata/1._"));
    assert!(groups.count() > 5, "the catalog is not in groups");

    let (name, info) = big_catalog::extension(7);
    let image = vendor.image(name.as_str(), "9.0");
    vendor.run(&["add", &image]).ends(0);
    let added = vendor.published();
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let index = format!("metadata/3.{name}.json");
    let expected: BTreeSet<_> = names(&[
        &index,
        "metadata/4.snapshot.json",
        "metadata/timestamp.json",
    ]);
    let also: BTreeSet<_> = names(&["pruned.json"]);
    let found = differing(&before, &added);
    assert_eq!(&found - &also, expected);

    // A summary stands in the group, too.
    vendor.edit("sysext-publish.toml", &info.summary, "another line");
    let image = vendor.image(name.as_str(), "9.1");
    vendor.run(&["add", &image]).ends(0);
    let group = format!("metadata/2._{}.json", &name.as_str()[..1]);
    let found = differing(&added, &vendor.published());
    assert!(found.contains(&group), "{found:?}");
}

#[test]
fn the_publisher_and_a_list_read_all_of_it() {
    let vendor = generated();
    let listed = vendor.run(&["extension", "list"]).ends(0).out;
    for number in 0..EXTENSIONS {
        let (name, info) = big_catalog::extension(number);
        let is_its_line =
            |line: &str| line.contains(&format!("{name} ")) && line.contains(&info.summary);
        assert!(listed.lines().any(is_its_line), "{name}: {listed}");
    }
    vendor.run(&["status"]).ends(0);
}
