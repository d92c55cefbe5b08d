//! Patches go with the image that they start from.
//!
//! A withdrawn image is in its index still, and hosts that run it are to leave it: patches from it stay.

use std::collections::BTreeSet;

use serde_json::Value;
use sysext_formats::role::Targets;

/// Drops transports that start from an image which the index does not have.
pub(super) fn drop_orphans(index: &mut Targets) {
    let there: BTreeSet<String> = index
        .targets
        .values()
        .filter_map(|target| target.hashes.sha256())
        .map(|digest| digest.to_string())
        .collect();
    for target in index.targets.values_mut() {
        let transports = target
            .custom
            .as_mut()
            .and_then(|custom| custom.pointer_mut("/sysext/transports")?.as_array_mut());
        if let Some(transports) = transports {
            transports.retain(|transport| {
                let from = transport.get("from").and_then(Value::as_str);
                from.is_none_or(|from| there.contains(from))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sysext_formats::digest::Sha256Digest;

    use super::*;

    #[test]
    fn a_patch_goes_with_its_image_and_nothing_else_does() {
        let digest = |name: &str| Sha256Digest::of(name.as_bytes()).to_string();
        let target = |name: &str, transports: Value| {
            json!({"length": 1, "hashes": {"sha256": digest(name)},
                   "custom": {"sysext": {"transports": transports, "x": 1}}})
        };
        let transports = json!([
            {"kind": "zstd", "file": "a"},
            {"kind": "relink-lzma", "file": "b", "from": digest("old")},
            {"kind": "another", "file": "c", "from": digest("gone")},
        ]);
        let mut index: Targets = serde_json::from_value(json!({
            "_type": "targets", "spec_version": "1.0.31", "version": 1, "expires": "2030-01-01T00:00:00Z",
            "targets": {"k_1.raw": target("old", json!([])), "k_2.raw": target("new", transports.clone())},
        }))
        .unwrap();
        let left = |index: &Targets| {
            let value = serde_json::to_value(index).unwrap();
            value
                .pointer("/targets/k_2.raw/custom/sysext/transports")
                .unwrap()
                .clone()
        };
        drop_orphans(&mut index);
        assert_eq!(left(&index), json!([transports[0], transports[1]]));
        index.targets.retain(|name, _| name.as_str() != "k_1.raw");
        drop_orphans(&mut index);
        assert_eq!(left(&index), json!([transports[0]]));
    }
}
