//! A host before each command, and the catalog that it trusts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use sysext_formats::digest::Sha256Digest;
use sysext_formats::time::UtcTime;
use sysext_patch::make::make;
use tempfile::TempDir;
use test_repos::fault_server::FaultServer;
use test_repos::image::ImageSpec;
use test_repos::simulator::Simulator;

/// A command, and the host that it is run on.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Which state the host is in before.
    before: State,
    arguments: &'static [&'static str],
    /// Whether running it twice is the same as running it once.
    pub(crate) again: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Knows no catalog.
    Empty,
    /// Two extensions in version 1.0; 2.0 is published.
    Installed,
    /// Both in version 2.0.
    Updated,
    /// Both in version 2.0, and the system that boots is an older one, which only 1.0 fits.
    OtherSystem,
    /// Both in version 2.0, and the image of one has other bytes.
    Damaged,
    /// Both in version 2.0, and another program links an image that is offered, too.
    Foreign,
}

/// `@URL` stands for the catalog's, `@NEXT` for a second root.
pub(crate) const CASES: [Case; 11] = [
    case(
        "catalog-add",
        State::Empty,
        &["catalog", "add", "@URL", "--id", "vendor"],
        true,
    ),
    case("install", State::Installed, &["install", "extra"], true),
    case("update", State::Installed, &["update"], true),
    case("remove", State::Updated, &["remove", "hello"], false),
    case("hold", State::Installed, &["hold", "hello"], true),
    case("rollback", State::Updated, &["rollback"], false),
    case("gc", State::Updated, &["gc", "--keep", "0"], true),
    case("boot", State::OtherSystem, &["boot"], true),
    case(
        "prepare",
        State::Updated,
        &["prepare", "--root", "@NEXT", "--store", "@STORE"],
        true,
    ),
    case(
        "verify-repair",
        State::Damaged,
        &["verify", "--repair"],
        true,
    ),
    case("import", State::Foreign, &["import"], true),
];

const fn case(
    name: &'static str,
    before: State,
    arguments: &'static [&'static str],
    again: bool,
) -> Case {
    Case {
        name,
        before,
        arguments,
        again,
    }
}

/// The link of another program to an image, and that image in its store.
const FOREIGN_LINK: &str = "extra-1.0.x86-64.raw";
const OLD_SYSTEM: &str = "ID=debian\nVERSION_ID=12\n";
const NEW_SYSTEM: &str = "ID=debian\nVERSION_ID=13\n";

/// The host in each state, and a place where it is run.
pub(crate) struct Scene {
    base: TempDir,
    /// In there, so that a test can mount something over it before.
    host: PathBuf,
    server: FaultServer,
    vendor: Simulator,
    binary: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::at(TempDir::with_prefix("crash-").unwrap())
    }

    /// In `base`, where something may be mounted at `host` already.
    pub(crate) fn at(base: TempDir) -> Self {
        let host = base.path().join("host");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = UtcTime::from_unix(i64::try_from(now.as_secs()).unwrap());
        let binary = std::env::var_os("SYSEXT_FETCH")
            .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_sysext-fetch")));
        let mut scene = Self {
            base,
            host,
            server: FaultServer::empty(),
            vendor: Simulator::new(&now.to_string()),
            binary: PathBuf::from(binary),
        };
        scene.make_states();
        scene
    }

    fn make_states(&mut self) {
        for name in ["hello", "ahoy", "extra"] {
            self.vendor.add_extension(name);
            let file = self.vendor.add_image(name, &spec(name, "1.0"));
            if name == "extra" {
                self.vendor.add_zstd(name, &file);
            }
        }
        self.vendor.publish();
        self.serve();
        for root in [&self.host, &self.next_root()] {
            for directory in ["etc/extensions", "usr/lib", "run", "var/lib"] {
                fs::create_dir_all(root.join(directory)).unwrap();
            }
            fs::write(root.join("etc/machine-id"), format!("{:032x}\n", 1)).unwrap();
        }
        self.set_system(&self.host, NEW_SYSTEM);
        self.set_system(&self.next_root(), OLD_SYSTEM);
        self.save(State::Empty);
        self.good(&["catalog", "add", "@URL", "--id", "vendor"]);
        self.good(&["install", "hello", "ahoy"]);
        for name in ["hello", "ahoy"] {
            let spec = spec(name, "2.0").os("debian").version_id("13");
            // One as it is, one as a patch, and `extra` compressed: all ways into the store.
            let file = self.vendor.add_image(name, &spec);
            if name == "hello" {
                self.add_patch(name, &file, &spec);
            }
        }
        self.vendor.publish();
        self.serve();
        self.save(State::Installed);
        self.good(&["update"]);
        self.save(State::Updated);
        self.link_as_others_do();
        self.save(State::Foreign);
        fs::remove_file(self.host.join("etc/extensions").join(FOREIGN_LINK)).unwrap();
        self.set_system(&self.host, OLD_SYSTEM);
        self.save(State::OtherSystem);
        self.set_system(&self.host, NEW_SYSTEM);
        let image = fs::read_link(self.host.join("etc/extensions/hello.raw")).unwrap();
        let image = self.host.join(image.strip_prefix("/").unwrap());
        let mut bytes = fs::read(&image).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&image, bytes).unwrap();
        self.save(State::Damaged);
    }

    /// The only transport of an image, from version 1.0.
    fn add_patch(&mut self, name: &str, file: &str, new: &ImageSpec) {
        let old = self::spec(name, "1.0").build();
        let patch = make(&old, &new.build(), None).unwrap();
        self.vendor.add_transport(name, file, "relink-lzma", patch);
        let from = Sha256Digest::of(&old).to_string();
        self.vendor.image_mut(name, file)["transports"][0]["from"] = from.into();
    }

    /// As sysextmgr does, with the bytes that are offered.
    fn link_as_others_do(&self) {
        let store = self.host.join("var/lib/sysext-store");
        fs::create_dir_all(&store).unwrap();
        fs::write(store.join(FOREIGN_LINK), spec("extra", "1.0").build()).unwrap();
        let target = Path::new("/var/lib/sysext-store").join(FOREIGN_LINK);
        symlink(target, self.host.join("etc/extensions").join(FOREIGN_LINK)).unwrap();
    }

    fn serve(&self) {
        self.server.put_all(self.vendor.files());
        let descriptor = self
            .vendor
            .descriptor("vendor", &[&self.server.url("")], &["*"]);
        self.server.put("catalog.toml", descriptor);
    }

    fn set_system(&self, root: &Path, text: &str) {
        fs::write(root.join("usr/lib/os-release"), text).unwrap();
    }

    pub(crate) fn host(&self) -> &Path {
        &self.host
    }

    fn next_root(&self) -> PathBuf {
        self.base.path().join("next")
    }

    fn saved(&self, state: State) -> PathBuf {
        self.base.path().join(format!("{state:?}"))
    }

    fn save(&self, state: State) {
        copy(&self.host, &self.saved(state));
    }

    /// A place for files of the test itself.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// Makes the host what it is before the command.
    pub(crate) fn set(&self, case: &Case) {
        for entry in fs::read_dir(&self.host).unwrap() {
            let path = entry.unwrap().path();
            // A mount point's own directory stays.
            if path.file_name().is_some_and(|name| name != "lost+found") {
                fs::remove_dir_all(path).unwrap();
            }
        }
        copy(&self.saved(case.before), &self.host);
    }

    /// The command as it is run on the host.
    pub(crate) fn command(&self, case: &Case) -> Command {
        self.bare(&[], case.arguments)
    }

    /// The same behind another program with its arguments.
    pub(crate) fn command_under(&self, program: &[String], case: &Case) -> Command {
        self.bare(program, case.arguments)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.bare(&[], arguments).output().unwrap()
    }

    fn good(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", talk(&output));
    }

    fn bare(&self, program: &[String], arguments: &[&str]) -> Command {
        let mut command = match program {
            [] => Command::new(&self.binary),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.binary);
                command
            }
        };
        if !arguments.contains(&"--root") {
            command.arg("--root").arg(&self.host);
        }
        for argument in arguments {
            match *argument {
                "@URL" => {
                    let fingerprint = self.vendor.fingerprint(1);
                    command.arg(format!("{}#sha256={fingerprint}", self.server.url("")))
                }
                "@NEXT" => command.arg(self.next_root()),
                "@STORE" => command.arg(self.host.join("var/lib/sysext-fetch")),
                argument => command.arg(argument),
            };
        }
        for variable in [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
        ] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null());
        command
    }
}

pub(crate) fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn spec(name: &str, version: &str) -> ImageSpec {
    let program = format!("#!/bin/sh\necho {name} {version}\n");
    let path = format!("usr/bin/{name}");
    ImageSpec::new(name)
        .version(version)
        .os("_any")
        .file(&path, 0o755, program)
}

/// Copies what a directory holds; links as links.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
