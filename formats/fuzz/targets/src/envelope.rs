//! Envelopes and signatures (`sysext_formats::envelope`, `::verify`).
//!
//! - What verifies was signed by enough of the role's keys: counted again by other code, whatever stands around it.
//! - One document is of one role at most.
//! - An accepted envelope is strict JSON with `signed` and `signatures`, has no key id twice and at most 256 signatures.
//! - White space and members beside `signed` and `signatures` change nothing.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;
use sysext_formats::envelope::Envelope;
use sysext_formats::json;
use sysext_formats::limits::MAX_SIGNATURES;
use sysext_formats::role::{Role, Root, Snapshot, Targets, Timestamp};
use sysext_formats::verify::{Authority, Verified, verify, verify_first_root};

use crate::genuine::Genuine;
use crate::signed::is_signed;

/// The invariant above, for any bytes.
pub fn check(data: &[u8]) -> bool {
    let root = trusted_root();
    let accepted = [
        one_role::<Root>(data, &root.root_authority()),
        one_role::<Timestamp>(data, &root.timestamp_authority()),
        one_role::<Snapshot>(data, &root.snapshot_authority()),
        one_role::<Targets>(data, &root.targets_authority()),
    ];
    let roles = accepted.iter().filter(|accepted| **accepted).count();
    assert!(roles <= 1, "one document is of {roles} roles");
    if verify_first_root(data).is_ok() {
        assert!(accepted[0], "a root that is no root");
        let root: Value = serde_json::from_slice(data).unwrap();
        assert_signed(data, &root, "root");
    }
    roles > 0
}

fn trusted_root() -> &'static Verified<Root> {
    static ROOT: OnceLock<Verified<Root>> = OnceLock::new();
    ROOT.get_or_init(|| verify_first_root(&Genuine::get().root).unwrap())
}

/// The keys of `role`, as `root` names them, signed `document`.
fn assert_signed(document: &[u8], root: &Value, role: &str) {
    let document = serde_json::from_slice(document).unwrap();
    let (keys, role_keys) = (&root["signed"]["keys"], &root["signed"]["roles"][role]);
    assert!(
        is_signed(&document, keys, role_keys),
        "its keys did not sign this {role}"
    );
}

fn one_role<T: Role>(data: &[u8], authority: &Authority<'_>) -> bool {
    let verified = verify::<T>(data, authority).is_ok();
    if verified {
        let root = serde_json::from_slice(&Genuine::get().root).unwrap();
        assert_signed(data, &root, T::TYPE);
    }
    if Envelope::<T>::parse(data).is_err() {
        assert!(!verified, "verified, and no envelope");
        return false;
    }
    let mut value = json::parse(data).expect("an envelope is strict JSON");
    assert_eq!(value["signed"]["_type"], T::TYPE);
    let signatures = value["signatures"].as_array().unwrap();
    let ids: BTreeSet<_> = signatures.iter().map(|one| one["keyid"].as_str()).collect();
    assert!(ids.len() == signatures.len() && ids.len() <= MAX_SIGNATURES);

    value["x-beside"] = Value::Null;
    let other = serde_json::to_vec_pretty(&value).unwrap();
    assert!(Envelope::<T>::parse(&other).is_ok());
    assert_eq!(verify::<T>(&other, authority).is_ok(), verified);
    true
}
