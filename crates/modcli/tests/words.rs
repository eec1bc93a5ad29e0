//! No message shows an error number, nor the words of one C library: all reasons come from one table.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test speaks")]

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use modcli::{Severity, errno, words};
use moddb::TableProblem;
use moddb::config::ConfigProblem;
use moddb::config::depmod::DepmodProblem;
use moddb::config::files::FileProblem;
use moddb::depend::MissingDependency;
use moddb::index::IndexError;
use moddb::paths::Table;
use modfile::{ModuleName, ReadError};
use modstate::settings::Notice;
use rustix::io::Errno;

const PATH: &str = "/etc/x.d";

fn path() -> PathBuf {
    PathBuf::from(PATH)
}

fn input_output_error() -> io::Error {
    Errno::IO.into()
}

/// Every problem of a file with the system's reason, and what is said of it.
fn file_problems() -> [(FileProblem, &'static str); 5] {
    [
        (FileProblem::CannotStat { path: path(), errno: Errno::IO }, "Cannot stat directory entry: /etc/x.d"),
        (FileProblem::DirectoryInside(path()), "Directories inside directories are not supported: /etc/x.d"),
        (FileProblem::NotAFile(path()), "Not a file, ignored: /etc/x.d"),
        (FileProblem::CannotList { path: path(), errno: Errno::IO }, "opendir(/etc/x.d): Input/output error"),
        (
            FileProblem::CannotRead { path: path(), errno: Errno::IO },
            "file parse /etc/x.d: Input/output error",
        ),
    ]
}

#[test]
fn every_tool_says_the_same_of_a_configuration_file() {
    for (problem, expected) in file_problems() {
        let shown = words::config_file(&problem);
        assert_eq!(String::from_utf8(shown.clone()).unwrap(), expected);
        assert_eq!(words::config(&ConfigProblem::File(problem.clone())).1, shown);
        assert_eq!(words::depmod_config(&DepmodProblem::File(problem)).1, shown);
    }
}

#[test]
fn what_is_quoted_of_a_file_stays_as_it_is() {
    let location = moddb::config::Location { file: Path::new("/etc/x.conf").into(), line: 3 };
    let problem = ConfigProblem::BadLine { location: location.clone(), word: b"\xff".to_vec() };
    let expected = b"/etc/x.conf line 3: ignoring bad line starting with '\xff'".to_vec();
    assert_eq!(words::config(&problem), (Severity::Error, expected));
    let problem = DepmodProblem::BadLine { location, word: b"\xff".to_vec() };
    let expected = b"/etc/x.conf:3: ignoring bad line starting with '\xff'".to_vec();
    assert_eq!(words::depmod_config(&problem), (Severity::Error, expected));
}

#[test]
fn an_index_that_cannot_be_read_says_why() {
    let error = IndexError::Io(input_output_error());
    let problem = TableProblem::Unusable { table: Table::Dependencies, index: path(), error };
    let (severity, text) = words::table(&problem);
    assert_eq!(severity, Severity::Error);
    assert_eq!(String::from_utf8(text).unwrap(), "/etc/x.d: cannot read the index: Input/output error");
}

#[test]
fn settings_name_the_reason() {
    let notice = Notice::CannotRead(path(), input_output_error());
    let shown = words::setting(&ModuleName::new(b"snd-hda"), &notice);
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        "settings of snd_hda: /etc/x.d cannot be read: Input/output error"
    );
}

#[test]
fn errors_of_the_libraries_are_worded_from_the_table() {
    let errors: [(Box<dyn Error>, &str); 3] = [
        (
            Box::new(MissingDependency { path: path(), errno: Errno::IO }),
            "path=/etc/x.d error=Input/output error",
        ),
        (Box::new(ReadError::Io(input_output_error())), "Input/output error"),
        (Box::new(IndexError::Io(input_output_error())), "cannot read the index: Input/output error"),
    ];
    for (error, expected) in errors {
        assert_eq!(errno::chain(&*error), expected);
    }
}
