//! Who signed: nobody, the wrong one, too few, one of them twice.

use serde_json::json;

use super::{Expected, Scenario, Story};
use crate::simulator::{Simulator, key_id, key_object, signature};

const TIMESTAMP: &str = "metadata/timestamp.json";

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Story::new("unsigned", "The timestamp carries no signature.")
            .serves(|catalog| {
                catalog.touch("timestamp");
                catalog.publish();
                catalog.tamper(TIMESTAMP, |document| document["signatures"] = json!([]));
            })
            .ends(Expected::Refused { role: "timestamp", says: "timestamp is not signed" }),
        Story::new("wrong-key", "The timestamp is signed by a stranger.")
            .serves(|catalog| {
                catalog.set_signers("timestamp", &["stranger"]);
                catalog.publish();
            })
            .ends(Expected::Refused { role: "timestamp", says: "timestamp is signed only by keys that may not sign it" }),
        Story::new("wrong-role", "The index of k3s is signed by the key of htop.")
            .serves(|catalog| {
                catalog.set_signers("k3s", &["htop"]);
                catalog.publish();
            })
            .ends(Expected::IndexRefused {
                says: "k3s is signed only by keys that may not sign it",
            }),
        Story::new("changed-after-signing", "The timestamp was changed after it was signed.")
            .serves(|catalog| {
                catalog.touch("timestamp");
                catalog.publish();
                catalog.tamper(TIMESTAMP, |document| {
                    document["signed"]["expires"] = "2036-01-01T00:00:00Z".into();
                });
            })
            .ends(Expected::Refused { role: "timestamp", says: "timestamp has 0 good signature(s) of 1 needed" }),
        Story::new("signature-no-hex", "The signature of the timestamp is not hexadecimal.")
            .serves(|catalog| {
                catalog.touch("timestamp");
                catalog.publish();
                catalog.tamper(TIMESTAMP, |document| {
                    document["signatures"][0]["sig"] = "not a signature".into();
                });
            })
            .ends(Expected::Refused { role: "timestamp", says: "timestamp has 0 good signature(s) of 1 needed" }),
        Story::new("too-few-signatures", "Two keys must sign targets, one did.")
            .serves(|catalog| {
                need_two(catalog);
                catalog.set_signers("targets", &["release"]);
                catalog.publish();
            })
            .mended_by(|catalog| {
                catalog.set_signers("targets", &["release", "second"]);
                catalog.publish();
            })
            .ends(Expected::Refused { role: "targets", says: "targets has 1 good signature(s) of 2 needed" }),
        Story::new("one-signature-twice", "Two keys must sign targets; one signature stands there twice.")
            .serves(|catalog| {
                need_two(catalog);
                catalog.set_signers("targets", &["release", "release"]);
                catalog.publish();
            })
            .mended_by(|catalog| {
                catalog.set_signers("targets", &["release", "second"]);
                catalog.publish();
            })
            .ends(Expected::Refused { role: "targets", says: "two signatures carry the key id" }),
        Story::new("one-key-under-two-ids", "Two keys must sign targets; one key is listed under two ids and signs with both.")
            .serves(|catalog| {
                let (keys, entry) = catalog.authority_mut("targets");
                keys["another-id"] = key_object("release");
                *entry = json!({"keyids": [key_id("release"), "another-id"], "threshold": 2});
                catalog.touch("targets");
                catalog.publish();
                let path = catalog.path("targets");
                catalog.tamper(&path, |document| {
                    let mut second = document["signatures"][0].clone();
                    second["keyid"] = "another-id".into();
                    document["signatures"].as_array_mut().unwrap().push(second);
                });
            })
            .mended_by(|catalog| {
                catalog.set_keys("targets", &["release", "second"]);
                catalog.publish();
            })
            .ends(Expected::Refused { role: "targets", says: "targets has 1 good signature(s) of 2 needed" }),
        Story::new("key-of-unknown-type", "Two keys must sign targets; the second one is of a type that nobody knows.")
            .serves(|catalog| {
                add_unknown_key(catalog, 2);
                catalog.touch("targets");
                catalog.publish();
                sign_with_unknown_key(catalog);
            })
            .mended_by(|catalog| {
                catalog.set_keys("targets", &["release", "second"]);
                catalog.publish();
            })
            .ends(Expected::Refused { role: "targets", says: "targets has 1 good signature(s) of 2 needed" }),
        Story::new("key-of-unknown-type-beside", "One key must sign targets and does; beside it stands one of a type that nobody knows.")
            .serves(|catalog| {
                add_unknown_key(catalog, 1);
                catalog.touch("targets");
                catalog.publish();
                sign_with_unknown_key(catalog);
            })
            .ends(Expected::Accepted),
        Story::new("stranger-beside", "The timestamp is signed by its key and by a stranger.")
            .serves(|catalog| {
                catalog.touch("timestamp");
                catalog.publish();
                catalog.tamper(TIMESTAMP, |document| {
                    let second = signature("stranger", &document["signed"]);
                    document["signatures"].as_array_mut().unwrap().push(second);
                });
            })
            .ends(Expected::Accepted),
        threshold("threshold-zero", "The new root asks for no signature of targets.", 0),
        threshold("threshold-negative", "The new root asks for -1 signatures of targets.", -1),
        Story::new("threshold-above-keys", "Two keys must sign the snapshot, and there is only one.")
            .serves(|catalog| {
                catalog.set_threshold("snapshot", 2);
                catalog.touch("snapshot");
                catalog.publish();
            })
            .mended_by(|catalog| {
                catalog.set_threshold("snapshot", 1);
                catalog.publish();
            })
            .ends(Expected::Refused { role: "snapshot", says: "snapshot has 1 good signature(s) of 2 needed" }),
        Story::new("threshold-above-keys-mended", "Two keys had to sign the snapshot where there was only one, until a later root mended that.")
            .serves(|catalog| {
                catalog.set_threshold("snapshot", 2);
                catalog.touch("snapshot");
                catalog.publish();
                catalog.set_threshold("snapshot", 1);
                catalog.publish();
            })
            .ends(Expected::Accepted),
    ]
}

/// The new root asks for two signatures of targets, and both keys sign it.
fn need_two(catalog: &mut Simulator) {
    catalog.set_keys("targets", &["release", "second"]);
    catalog.set_threshold("targets", 2);
}

fn add_unknown_key(catalog: &mut Simulator, threshold: u64) {
    let (keys, entry) = catalog.authority_mut("targets");
    keys["unknown"] =
        json!({"keytype": "sphincs", "scheme": "sphincs-2", "keyval": {"public": "00"}});
    *entry = json!({"keyids": [key_id("release"), "unknown"], "threshold": threshold});
}

fn sign_with_unknown_key(catalog: &mut Simulator) {
    let path = catalog.path("targets");
    catalog.tamper(&path, |document| {
        let second = json!({"keyid": "unknown", "sig": "00"});
        document["signatures"].as_array_mut().unwrap().push(second);
    });
}

fn threshold(name: &'static str, story: &'static str, threshold: i64) -> Scenario {
    Story::new(name, story)
        .serves(|catalog| {
            catalog.set_threshold("targets", threshold);
            catalog.publish();
        })
        .ends(Expected::Refused {
            role: "root",
            says: "not a signed root document",
        })
}
