//! The configuration of a publisher (`sysext_publish::config`).
//!
//! - What is read has a URL, a pattern and a level that is possible.
//! - A command that changes one thing can do so in every file that is read; the file is read again, says the new thing, and
//!   nothing else is changed. Doing it again changes nothing.

use std::cell::RefCell;

use sysext_formats::name::ExtensionName;
use sysext_publish::config::edit::{Edit, apply};
use sysext_publish::config::{Config, Office};
use sysext_publish::signer::KeySource;
use tempfile::NamedTempFile;

/// The invariant above, for any file.
pub fn check(data: &[u8]) -> bool {
    let Some(before) = read(data) else {
        return false;
    };
    assert!(!before.url.is_empty() && !before.provides.is_empty());
    assert!((1..=22).contains(&before.zstd_level));
    let text = std::str::from_utf8(data).expect("a configuration is text");
    for name in ["k3s", "a.b"] {
        described(&before, text, &name.parse().unwrap());
        signed(&before, text, Office::Extension(name.parse().unwrap()));
    }
    for office in [Office::Root, Office::Release, Office::Online] {
        signed(&before, text, office);
    }
    let urls = vec!["https://moved.example/a".parse().unwrap()];
    let mut moved = changed(text, &Edit::Urls(urls.clone()));
    assert_eq!(moved.url, urls);
    moved.url.clone_from(&before.url);
    assert_eq!(format!("{moved:?}"), format!("{before:?}"));
    true
}

fn described(before: &Config, text: &str, name: &ExtensionName) {
    let summary = "of \"a\" \\ test";
    let edit = Edit::Extension {
        name: name.clone(),
        members: vec![("summary", summary.to_owned())],
    };
    let after = changed(text, &edit);
    let mut expected = before.clone();
    let extension = expected.extension.entry(name.clone()).or_insert_with(|| {
        // A new table spells out a first channel.
        let mut extension = before.extension(name);
        extension.channels = after.extension(name).channels;
        extension
    });
    summary.clone_into(&mut extension.summary);
    assert_eq!(format!("{after:?}"), format!("{expected:?}"));
}

fn signed(before: &Config, text: &str, office: Office) {
    let source = "env:OF_FUZZ";
    let edit = Edit::AddSource {
        office: office.clone(),
        source: source.to_owned(),
    };
    let added = changed(text, &edit);
    let source: KeySource = source.parse().unwrap();
    assert!(keys(&added, &office).contains(&source), "{text}");
    for key in keys(before, &office) {
        assert!(keys(&added, &office).contains(&key), "{key} is gone");
    }
    let text = apply(text, &[edit]).unwrap();
    let edit = Edit::RemoveSource {
        office: office.clone(),
        source: source.to_string(),
    };
    let removed = changed(&text, &edit);
    assert!(!keys(&removed, &office).contains(&source), "{text}");
}

fn keys(config: &Config, office: &Office) -> Vec<KeySource> {
    match office {
        Office::Root => config.keys.root.clone(),
        Office::Release => config.keys.release.clone(),
        Office::Online => config.keys.online.clone(),
        Office::Extension(name) => config.extension(name).key,
    }
}

/// The configuration after a change, which is made as well a second time.
fn changed(text: &str, edit: &Edit) -> Config {
    let changed = apply(text, std::slice::from_ref(edit)).expect("what is read can be edited");
    let again = apply(&changed, std::slice::from_ref(edit)).unwrap();
    assert_eq!(again, changed);
    read(changed.as_bytes()).unwrap_or_else(|| panic!("no configuration any more:\n{changed}"))
}

fn read(data: &[u8]) -> Option<Config> {
    thread_local! {
        static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().unwrap());
    }
    FILE.with_borrow(|file| {
        std::fs::write(file.path(), data).unwrap();
        Config::read(file.path()).ok()
    })
}
