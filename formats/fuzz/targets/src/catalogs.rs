//! What stands above TUF (`sysext_formats::catalog`).
//!
//! - A descriptor that is read is written and read again without a change, and names only URLs that a host can fetch.
//! - Every target of an index is an image or is ignored with a reason. Images come newest first, belong to the extension by
//!   their file names (their transports' too), are no longer than the limit, and come back from the target they make.

use serde::Deserialize as _;
use sysext_formats::catalog::{CatalogInfo, DEFAULT_CHANNEL, Descriptor, ExtensionIndex, Image};
use sysext_formats::json;
use sysext_formats::limits::{MAX_DESCRIPTOR, MAX_IMAGE};
use sysext_formats::name::ExtensionName;
use sysext_formats::role::Targets;

/// `catalog.toml`.
pub fn descriptor(data: &[u8]) -> bool {
    let Ok(descriptor) = Descriptor::parse(data) else {
        return false;
    };
    assert!(data.len() as u64 <= MAX_DESCRIPTOR && !descriptor.url.is_empty());
    let urls = descriptor.url.iter().chain(&descriptor.images_url);
    for url in urls {
        assert!(matches!(url.scheme(), "https" | "http" | "file"), "{url}");
    }
    let text = toml::to_string(&descriptor).expect("a descriptor can be written");
    if text.len() as u64 <= MAX_DESCRIPTOR {
        assert_eq!(
            Descriptor::parse(text.as_bytes()).unwrap(),
            descriptor,
            "{text}"
        );
    }
    let name: ExtensionName = "k3s".parse().unwrap();
    let matches = descriptor
        .extensions
        .iter()
        .any(|pattern| pattern.matches(&name));
    assert_eq!(descriptor.may_provide(&name), matches);
    true
}

/// The index of an extension, and the catalog's table of contents.
pub fn index(data: &[u8]) -> bool {
    let Some(targets) = json::parse(data)
        .ok()
        .and_then(|value| Targets::deserialize(value).ok())
    else {
        return false;
    };
    if let Ok(info) = CatalogInfo::read("targets", &targets) {
        let value = serde_json::to_value(&info).unwrap();
        assert_eq!(CatalogInfo::deserialize(value).unwrap(), info);
    }
    let name: ExtensionName = "k3s".parse().unwrap();
    let Ok(index) = ExtensionIndex::read(&name, &targets) else {
        return false;
    };
    // What is ignored is a target, or a transport of an image that is not.
    let is_image = |file: &str| index.images.iter().any(|image| image.file.as_str() == file);
    let ignored = index.ignored.iter();
    let targets_ignored = ignored.filter(|ignored| !is_image(&ignored.file));
    assert_eq!(
        index.images.len() + targets_ignored.count(),
        targets.targets.len()
    );
    assert!(
        index
            .ignored
            .iter()
            .all(|ignored| !ignored.reason.is_empty())
    );
    let newest_first = |pair: &[Image]| {
        (&pair[0].version, pair[0].released) >= (&pair[1].version, pair[1].released)
    };
    assert!(index.images.windows(2).all(newest_first));
    for image in &index.images {
        let files = image.transports.iter().map(|transport| &transport.file);
        for file in files.chain([&image.file]) {
            assert!(file.as_str().starts_with("k3s_"), "{file}");
        }
        assert!(image.length <= MAX_IMAGE && !image.channels.is_empty());
        let target = image.to_target().unwrap();
        assert_eq!(&Image::read(image.file.clone(), &target).unwrap(), image);
    }
    assert!(
        DEFAULT_CHANNEL
            .parse::<sysext_formats::name::Channel>()
            .is_ok()
    );
    true
}
