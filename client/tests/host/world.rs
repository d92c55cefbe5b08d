//! A host, the real binary, and a catalog behind a real server that can lie: what the stories of this folder are told
//! with.

use std::ffi::OsStr;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sysext_formats::time::UtcTime;
use test_repos::fault_server::FaultServer;
use test_repos::image::ImageSpec;
use test_repos::scratch::ScratchHost;
use test_repos::simulator::Simulator;

pub(crate) struct World {
    pub(crate) vendor: Simulator,
    pub(crate) server: FaultServer,
    pub(crate) host: ScratchHost,
}

pub(crate) fn now() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    UtcTime::from_unix(i64::try_from(seconds).unwrap()).to_string()
}

pub(crate) fn spec(name: &str, version: &str) -> ImageSpec {
    let program = format!("#!/bin/sh\necho {name} {version}\n");
    ImageSpec::new(name).version(version).os("_any").file(
        &format!("usr/bin/{name}"),
        0o755,
        program,
    )
}

impl World {
    /// A host that trusts the catalog "vendor", which offers these extensions in version 1.0.
    pub(crate) fn new(extensions: &[&str]) -> Self {
        Self::with_host(ScratchHost::new(), extensions)
    }

    /// The same on a host of the caller's making.
    pub(crate) fn with_host(host: ScratchHost, extensions: &[&str]) -> Self {
        let mut vendor = Simulator::new(&now());
        for name in extensions {
            vendor.add_extension(name);
            vendor.add_image(name, &spec(name, "1.0"));
        }
        vendor.publish();
        let world = Self {
            vendor,
            server: FaultServer::empty(),
            host,
        };
        world.serve();
        let output = world.run(&["catalog", "add", &world.url(), "--id", "vendor"]);
        assert_eq!(code(&output), 0, "{}", talk(&output));
        world
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "{}#sha256={}",
            self.server.url(""),
            self.vendor.fingerprint(1)
        )
    }

    pub(crate) fn serve(&self) {
        self.server.put_all(self.vendor.files());
        self.server.put(
            "catalog.toml",
            self.vendor
                .descriptor("vendor", &[&self.server.url("")], &["*"]),
        );
    }

    pub(crate) fn publish(&mut self, name: &str, version: &str) {
        self.vendor.add_image(name, &spec(name, version));
        self.vendor.publish();
        self.serve();
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(&[], arguments)
    }

    /// Runs a command with these variables besides.
    pub(crate) fn run_with(&self, variables: &[(&str, &OsStr)], arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sysext-fetch"));
        command.arg("--root").arg(self.host.root()).args(arguments);
        for variable in [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "HOME",
        ] {
            command.env_remove(variable);
        }
        command.envs(variables.iter().copied()).output().unwrap()
    }

    /// Runs a command that must work.
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(code(&output), 0, "{arguments:?}: {}", talk(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with `expected`, change nothing that runs, and say `word`.
    pub(crate) fn refuses(&self, arguments: &[&str], expected: i32, word: &str) -> String {
        let before = self.host.links("etc/extensions");
        let output = self.run(arguments);
        let talk = talk(&output);
        assert_eq!(code(&output), expected, "{arguments:?}: {talk}");
        assert!(
            talk.contains(word),
            "{arguments:?} does not say {word:?}: {talk}"
        );
        assert_eq!(self.host.links("etc/extensions"), before);
        talk
    }

    pub(crate) fn refuses_to_verify(&self) {
        assert_eq!(code(&self.run(&["verify"])), 3);
    }

    /// The version that an extension's link leads to; its image must be there.
    pub(crate) fn linked(&self, name: &str) -> Option<String> {
        let target = self
            .host
            .links("etc/extensions")
            .remove(&format!("{name}.raw"))?;
        let inside = self
            .host
            .path(target.strip_prefix("/").unwrap().to_str().unwrap());
        assert!(inside.is_file(), "{} leads nowhere", inside.display());
        let file = target.file_name().unwrap().to_str().unwrap().to_owned();
        Some(file.split('_').nth(1).unwrap().to_owned())
    }
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
