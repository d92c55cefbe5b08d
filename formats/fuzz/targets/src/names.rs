//! Names (`sysext_formats::name`). Input: two texts, one a line.
//!
//! - What parses comes back as it was. A file name is one harmless path component, a URL component needs no escaping.
//! - Storage names are one-to-one and one harmless path component of at most 250 bytes.
//! - A pattern without `*` means itself; one with `*` means what begins and ends so.

use sysext_formats::name::{
    CatalogId, Channel, ExtensionName, FileName, NamePattern, RoleName, TargetPath, url_component,
};

/// The invariant above, for any two lines.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let (a, b) = text.split_once('\n').unwrap_or((text, "k3s"));
    files(a);
    stored(a, b);
    if let (Ok(name), Ok(pattern)) = (a.parse::<ExtensionName>(), b.parse::<NamePattern>()) {
        let expected = match b.split_once('*') {
            None => a == b,
            Some((before, after)) => a
                .strip_prefix(before)
                .is_some_and(|rest| rest.ends_with(after)),
        };
        assert_eq!(pattern.matches(&name), expected, "{a} {b}");
    }
    for plain in [
        a.parse::<ExtensionName>().map(|name| name.to_string()),
        a.parse::<CatalogId>().map(|name| name.to_string()),
        a.parse::<Channel>().map(|name| name.to_string()),
    ] {
        assert!(plain.is_err() || plain.as_deref() == Ok(a));
        assert!(plain.is_err() || is_harmless(a), "{a:?}");
    }
    a.parse::<FileName>().is_ok()
}

fn is_harmless(component: &str) -> bool {
    !component.is_empty()
        && !component.starts_with('.')
        && component.len() <= 255
        && component
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

fn files(text: &str) {
    let Ok(file) = text.parse::<FileName>() else {
        return;
    };
    assert!(file.as_str() == text && is_harmless(text), "{text:?}");
    let path = TargetPath::from(&file);
    assert_eq!(path.file_name().unwrap(), file);
    if let Some(extension) = file.extension() {
        assert!(text.starts_with(&format!("{extension}_")));
    }
}

fn stored(a: &str, b: &str) {
    let role = |text: &str| text.parse::<RoleName>().ok();
    let path = |text: &str| text.parse::<TargetPath>().ok();
    for (one, other) in [
        (
            role(a).map(|role| role.storage_name()),
            role(b).map(|role| role.storage_name()),
        ),
        (
            path(a).map(|path| path.storage_name()),
            path(b).map(|path| path.storage_name()),
        ),
    ] {
        for name in [&one, &other].into_iter().flatten() {
            assert!(is_harmless(name) && name.len() <= 250, "{name:?}");
        }
        if let (Some(one), Some(other)) = (one, other) {
            assert_eq!(one == other, a == b, "{a:?} {b:?}");
        }
    }
    let encoded = url_component(a);
    assert!(
        encoded
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte))
    );
    assert_eq!(encoded == url_component(b), a == b, "{a:?} {b:?}");
    if let Some(path) = path(a) {
        assert_eq!(path.url_path("").split('/').count(), a.split('/').count());
    }
}
