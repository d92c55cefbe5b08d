//! Who may sign what, who does, and how both are changed: not always to the same.

use serde_json::{Value, json};

use super::{Simulator, TOP_ROLES, key_id, key_object};

/// A delegation to a role.
#[derive(Debug, Clone, Copy)]
pub struct Delegation<'a> {
    /// The role.
    pub role: &'a str,
    /// Labels of its keys; one signature suffices.
    pub keys: &'a [&'a str],
    /// The paths that it may speak for.
    pub paths: &'a [&'a str],
    /// Whether a search for such a path ends with it.
    pub terminating: bool,
}

impl Simulator {
    /// Sets the role's keys, as the root or its delegator lists them, and lets them all sign it from now on. The next
    /// root is signed by its former keys too.
    pub fn set_keys(&mut self, role: &str, labels: &[&str]) {
        let former = self.set_signers(role, labels);
        if role == "root" && self.document("root").written.is_some() {
            self.root_cosigners = former;
        }
        let (keys, entry) = self.authority_mut(role);
        for label in labels {
            keys[key_id(label)] = key_object(label);
        }
        entry["keyids"] = labels.iter().map(|label| key_id(label)).collect();
        if entry["threshold"].is_null() {
            entry["threshold"] = 1.into();
        }
    }

    /// Sets the role's threshold, as the root or its delegator lists it.
    pub fn set_threshold(&mut self, role: &str, threshold: i64) {
        self.authority_mut(role).1["threshold"] = threshold.into();
    }

    /// Sets which keys sign a document from now on, whoever should; returns those that did.
    pub fn set_signers(&mut self, role: &str, labels: &[&str]) -> Vec<String> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        std::mem::replace(&mut self.document_mut(role).signers, labels)
    }

    /// Sets who signs the next root beside its signers: nobody, for a root that its predecessor does not vouch for.
    pub fn set_root_cosigners(&mut self, labels: &[&str]) {
        self.root_cosigners = labels.iter().map(|label| (*label).to_owned()).collect();
    }

    /// The object of keys, and the object with `keyids` and `threshold`, that speak for a role.
    ///
    /// # Panics
    /// When nobody delegates to it.
    pub fn authority_mut(&mut self, role: &str) -> (&mut Value, &mut Value) {
        if TOP_ROLES.contains(&role) {
            let (keys, roles) = keys_and_roles(self.signed_mut("root"));
            return (keys, &mut roles[role]);
        }
        for document in self.documents.values_mut() {
            let Some(delegations) = document.signed.get_mut("delegations") else {
                continue;
            };
            let (keys, roles) = keys_and_roles(delegations);
            let mut entries = roles.as_array_mut().unwrap().iter_mut();
            if let Some(entry) = entries.find(|entry| entry["name"] == role) {
                return (keys, entry);
            }
        }
        panic!("nobody delegates to {role}");
    }

    /// Delegates from one role to another; the first time, the role is made, without files, signed by these keys.
    pub fn add_delegation(&mut self, delegator: &str, delegation: Delegation<'_>) {
        let Delegation {
            role,
            keys: labels,
            paths,
            terminating,
        } = delegation;
        let signed = self.signed_mut(delegator);
        if signed.get("delegations").is_none() {
            signed["delegations"] = json!({"keys": {}, "roles": []});
        }
        let (keys, roles) = keys_and_roles(&mut signed["delegations"]);
        for label in labels {
            keys[key_id(label)] = key_object(label);
        }
        let ids: Vec<_> = labels.iter().map(|label| key_id(label)).collect();
        roles.as_array_mut().unwrap().push(json!({
            "name": role, "keyids": ids, "threshold": 1, "paths": paths, "terminating": terminating,
        }));
        if !self.documents.contains_key(role) {
            self.add_document(role, json!({"targets": {}}));
            self.set_signers(role, labels);
        }
    }
}

/// Both members of a root or of `delegations`, to be changed together.
fn keys_and_roles(object: &mut Value) -> (&mut Value, &mut Value) {
    let (mut keys, mut roles) = (None, None);
    for (name, value) in object.as_object_mut().unwrap() {
        match name.as_str() {
            "keys" => keys = Some(value),
            "roles" => roles = Some(value),
            _ => {}
        }
    }
    (keys.expect("keys"), roles.expect("roles"))
}
