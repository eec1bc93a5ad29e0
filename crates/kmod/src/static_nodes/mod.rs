//! `kmod static-nodes`: the device nodes that modules ask for before they are loaded, so that opening one loads its
//! module. depmod gathers them in `modules.devname`.

pub(crate) mod cli;
mod entry;
mod format;

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use modcli::errno;
use modcli::getopt::{self, Options, Order, Parsed};
use modcli::{Exit, Session};
use moddb::paths::ModuleDir;
use modfile::regular::{self, RegularError};

use format::Format;

/// Far more than any kernel's list, in bytes.
const LONGEST: usize = 64 << 20;

/// Runs the command.
pub(crate) fn run(session: &Session, arguments: &[OsString]) -> anyhow::Result<Exit> {
    let format = match chosen(arguments) {
        Ok(format) => format,
        Err(unknown) => {
            say(session, &[b"Unknown format: '", unknown.as_bytes(), b"'."]);
            session.output.show((cli::DEFINITION.command)().render_help().to_string());
            return Ok(Exit::Failure);
        }
    };
    let parsed = session.parse_in_order(&cli::DEFINITION, arguments, Order::Posix)?;
    let release = rustix::system::uname().release().to_bytes().to_vec();
    let release = OsString::from_vec(release);
    let list = ModuleDir::new(Path::new(""), &release).join(b"modules.devname");
    Ok(show(session, &list, parsed.value(cli::OUTPUT), format))
}

/// The last format on the command line. compat: each is looked at when it is met, so a wrong one comes before what is
/// wrong behind it, and before help (case `kmod/static-nodes-format-before-help`).
fn chosen(arguments: &[OsString]) -> Result<Format, OsString> {
    let command = (cli::DEFINITION.command)();
    let options = Options::of(&command, &[]);
    let parse = |len| getopt::parse(&options, arguments.get(..len).unwrap_or_default(), Order::Posix).ok();
    let met: Parsed = (1..=arguments.len()).rev().find_map(parse).unwrap_or_default();
    let mut chosen = Format::Human;
    for value in met.values(cli::FORMAT) {
        chosen = Format::of_name(value).ok_or_else(|| value.to_owned())?;
    }
    Ok(chosen)
}

/// Shows the nodes in `list`, on standard output or in a file.
fn show(session: &Session, list: &Path, output: Option<&OsStr>, format: Format) -> Exit {
    let path = list.as_os_str().as_bytes();
    let text = match regular::read(list, LONGEST) {
        Ok(text) => text,
        Err(error) if error.is_missing() => {
            say(session, &[b"Warning: ", path, b" not found - ignoring"]);
            return Exit::Success;
        }
        // compat: a directory is opened, and nothing is in it (case kmod/static-nodes-list-is-a-directory).
        Err(RegularError::NotRegular(rustix::fs::FileType::Directory)) => Vec::new(),
        Err(error) => {
            let reason = errno::reason(&error.into()).into_owned();
            say(session, &[b"Error: could not open ", path, b" - ", reason.as_bytes()]);
            return Exit::Failure;
        }
    };
    let mut file = match output.map(|output| open(session, output)) {
        None => None,
        Some(Ok(file)) => Some(file),
        Some(Err(exit)) => return exit,
    };
    let (shown, failed) = lines(session, &text, format);
    match &mut file {
        None => session.output.show(shown),
        Some(file) => {
            if let Err(error) = file.write_all(&shown) {
                let output = output.unwrap_or_default().as_bytes();
                let reason = errno::reason(&error);
                say(session, &[b"Error: could not write ", output, b" - ", reason.as_bytes()]);
                return Exit::Failure;
            }
        }
    }
    Exit::failed_if(failed)
}

/// The nodes in the wanted form, and whether a line was none.
fn lines(session: &Session, text: &[u8], format: Format) -> (Vec<u8>, bool) {
    let mut shown = Vec::new();
    let mut failed = false;
    for line in entry::lines(text) {
        match entry::parse(line) {
            Some(entry) => format.show(&entry, &mut shown),
            None => {
                say(session, &[b"Error: invalid devname entry: ", line.strip_suffix(b"\n").unwrap_or(line)]);
                failed = true;
            }
        }
    }
    (shown, failed)
}

/// Opens the file to write to, with the directories above it. It is written in place: scripts name descriptors.
fn open(session: &Session, output: &OsStr) -> Result<File, Exit> {
    let name = output.as_bytes();
    if let Some(parent) = Path::new(output).parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(|error| {
            // The library names what it met, not what is in the way.
            let error = if parent.is_dir() { io::Error::from(error.kind()) } else { error };
            let reason = errno::reason(&error).into_owned();
            say(
                session,
                &[b"Error: could not create parent directory for ", name, b" - ", reason.as_bytes(), b"."],
            );
            Exit::Failure
        })?;
    }
    OpenOptions::new().write(true).create(true).truncate(true).open(output).map_err(|error| {
        let reason = errno::reason(&error).into_owned();
        say(session, &[b"Error: could not create ", name, b" - ", reason.as_bytes()]);
        Exit::Failure
    })
}

/// compat: these sentences stand alone, without the name of the program (case `kmod/static-nodes-missing`).
fn say(session: &Session, parts: &[&[u8]]) {
    session.reporter.sink().say_plainly(&parts.concat());
}
