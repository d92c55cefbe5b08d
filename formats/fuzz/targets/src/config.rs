//! The configuration of a host (`sysext_fetch::config`). Input: six files, a NUL byte between them: the settings, a drop-in
//! of them, a catalog and its drop-in, an extension and its drop-in.
//!
//! - Reading never fails as a whole; each file counts, is masked, or is a problem that names it.
//! - What was read is written and read again without a change.
//! - Changing one member changes that member and no other; saying again what is there changes nothing.

use std::cell::RefCell;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sysext_fetch::config::edit::{set_extension, write_catalog};
use sysext_fetch::config::{Config, Settings, Wish};
use sysext_fetch::root::Root;
use tempfile::TempDir;

const FILES: [&str; 6] = [
    "sysext-fetch.toml",
    "sysext-fetch.toml.d/10-fuzz.toml",
    "catalogs.d/k3s.toml",
    "catalogs.d/k3s.toml.d/10-fuzz.toml",
    "extensions.d/htop.toml",
    "extensions.d/htop.toml.d/10-fuzz.toml",
];

/// The invariant above, for any six files.
pub fn check(data: &[u8]) -> bool {
    thread_local! {
        static HOST: RefCell<TempDir> = RefCell::new(tempfile::tempdir().unwrap());
    }
    HOST.with_borrow(|host| {
        let base = host.path().join("etc/sysext-fetch");
        let mut parts = data.split(|byte| *byte == 0);
        for file in FILES {
            write(&base.join(file), parts.next().unwrap_or_default());
        }
        let root = Root::new(host.path().to_owned(), None);
        let config = Config::load(&root).expect("broken files are problems, not an end");
        counts_or_is_a_problem(&config);
        comes_back::<Settings>(&config.settings);
        let name = "htop".parse().unwrap();
        if let Some(before) = config.extensions.get(&name) {
            comes_back::<Wish>(&before.wish);
            let hold = !before.wish.hold;
            if set_extension(&root, &name, &[("hold", hold.into())]).is_ok() {
                let config = Config::load(&root).unwrap();
                let after = &config.extensions[&name];
                assert_eq!(
                    after.wish,
                    Wish {
                        hold,
                        ..before.wish.clone()
                    }
                );
            }
        }
        if let Some(catalog) = config.catalogs.values().next()
            && let Ok(changed) = write_catalog(&root, &catalog.descriptor)
        {
            let again = Config::load(&root).unwrap();
            assert_eq!(
                again.catalogs[&catalog.descriptor.id].descriptor,
                catalog.descriptor
            );
            assert!(
                !changed || write_catalog(&root, &catalog.descriptor).is_ok_and(|changed| !changed)
            );
        }
        // Editing makes files of its own.
        std::fs::remove_dir_all(&base).unwrap();
        !config.catalogs.is_empty() && !config.extensions.is_empty()
    })
}

fn write(path: &Path, bytes: &[u8]) {
    if !bytes.is_empty() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    } else {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
}

fn counts_or_is_a_problem(config: &Config) {
    let problem = |part: &str| {
        config
            .problems
            .iter()
            .any(|problem| problem.to_string().contains(part))
    };
    for name in &config.unreadable {
        assert!(
            problem(name.as_str()),
            "{name} is unreadable, and no problem says so"
        );
        assert!(!config.extensions.contains_key(name));
    }
    for (id, catalog) in &config.catalogs {
        assert!(catalog.descriptor.id == *id && catalog.descriptor.root_sha256.is_some());
    }
    if config.settings_problem.is_some() {
        assert_eq!(config.settings, Settings::default());
    }
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let text = toml::to_string(value).expect("it can be written");
    assert_eq!(toml::from_str::<T>(&text).as_ref(), Ok(value), "{text}");
}
