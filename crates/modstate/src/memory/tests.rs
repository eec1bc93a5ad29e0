use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::boot_time::BootTime;
use crate::identity::Identity;
use crate::identity::tests::boot;
use crate::record::RecordedRole;

/// The memory of a system whose `/run` is this directory.
fn memory(run: &Path) -> Memory {
    Memory { directory: run.join("modutils"), owner: rustix::process::geteuid().as_raw() }
}

fn record(inode: u64) -> Record {
    let identity = Identity { inode, boot: boot(b'1') };
    Record { request: b"fs-x".to_vec(), role: RecordedRole::Target, loaded: BootTime(1), identity }
}

#[test]
fn what_was_remembered_is_listed_by_name_and_can_be_forgotten() {
    let run = tempfile::tempdir().unwrap();
    let memory = memory(run.path());
    assert!(memory.records().unwrap().is_empty() && memory.pins().unwrap().is_empty());
    for (name, inode) in [("b", 2), ("a", 1)] {
        assert_eq!(memory.write_record(&name.into(), &record(inode)).unwrap(), Written::Done);
        memory.write_pin(&name.into(), &record(inode).identity).unwrap();
    }
    let records: Vec<_> =
        memory.records().unwrap().into_iter().map(|(name, said)| (name, said.unwrap())).collect();
    assert_eq!(records, [("a".into(), record(1)), ("b".into(), record(2))]);
    memory.forget_record(&"a".into()).unwrap();
    memory.forget_record(&"a".into()).unwrap();
    assert_eq!(memory.records().unwrap().len(), 1);
    assert_eq!(memory.pins().unwrap().len(), 2);
    assert_eq!(memory.pin(&"a".into()).unwrap(), Some(record(1).identity));
    memory.forget_pin(&"a".into()).unwrap();
    assert_eq!(memory.pin(&"a".into()).unwrap(), None);
}

#[test]
fn without_a_place_nothing_is_remembered_and_nothing_is_wrong() {
    let run = tempfile::tempdir().unwrap();
    let memory = memory(&run.path().join("missing"));
    assert_eq!(memory.write_record(&"a".into(), &record(1)).unwrap(), Written::NoPlace);
    assert_eq!(memory.write_pin(&"a".into(), &record(1).identity).unwrap(), Written::NoPlace);
    assert!(memory.marks().is_empty());
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
}

#[test]
fn each_thing_is_said_once() {
    let run = tempfile::tempdir().unwrap();
    let (memory, nowhere) = (memory(run.path()), memory(&run.path().join("missing")));
    assert_eq!(memory.tell_once("a"), Telling::Now);
    assert_eq!(memory.tell_once("a"), Telling::Told);
    assert_eq!(memory.tell_once("b"), Telling::Now);
    assert_eq!(nowhere.tell_once("a"), Telling::NoMemory);
}

#[test]
fn no_module_name_leads_out_of_the_directory() {
    let run = tempfile::tempdir().unwrap();
    let memory = memory(run.path());
    for name in ["../a", "a/b", "", "/etc/x"] {
        assert!(memory.write_record(&name.into(), &record(1)).is_err(), "{name}");
        assert!(memory.forget_record(&name.into()).is_ok());
    }
}

#[test]
fn damaged_and_foreign_files_are_told_apart_from_records() {
    let run = tempfile::tempdir().unwrap();
    let memory = memory(run.path());
    memory.write_record(&"good".into(), &record(1)).unwrap();
    let directory = run.path().join("modutils").join(RECORDS);
    fs::write(directory.join("empty"), "").unwrap();
    fs::write(directory.join(".good.17"), "half").unwrap();
    fs::write(directory.join("a-b"), record(1).format()).unwrap();
    std::os::unix::fs::symlink("good", directory.join("link")).unwrap();
    let said: Vec<_> = memory
        .records()
        .unwrap()
        .into_iter()
        .map(|(name, said)| (name.to_text().into_owned(), said.is_ok()))
        .collect();
    assert_eq!(said, [("empty".into(), false), ("good".into(), true), ("link".into(), false)]);
}

#[test]
fn what_others_can_have_written_is_no_record_and_no_pin() {
    let run = tempfile::tempdir().unwrap();
    let memory = memory(run.path());
    memory.write_record(&"a".into(), &record(1)).unwrap();
    memory.write_pin(&"a".into(), &record(1).identity).unwrap();
    let open_to_all = |path: &str, mode| {
        let path = run.path().join("modutils").join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open_to_all("autoloaded/a", 0o666);
    open_to_all("pinned/a", 0o666);
    assert!(matches!(memory.records().unwrap().as_slice(), [(_, Err(_))]));
    assert!(memory.pin(&"a".into()).is_err());
    for directory in ["autoloaded", ""] {
        open_to_all(directory, 0o777);
        assert!(memory.records().is_err(), "{directory}");
        assert!(memory.write_record(&"b".into(), &record(1)).is_err(), "{directory}");
        open_to_all(directory, 0o755);
    }
}

#[test]
fn what_a_killed_process_left_goes() {
    let run = tempfile::tempdir().unwrap();
    let memory = memory(run.path());
    memory.write_record(&"a".into(), &record(1)).unwrap();
    let directory = run.path().join("modutils").join(RECORDS);
    fs::write(directory.join(".gone.0"), "half").unwrap();
    memory.remove_abandoned();
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn only_one_pass_at_a_time_holds_the_lock() {
    let run = tempfile::tempdir().unwrap();
    let memory = memory(run.path());
    assert_eq!(memory.lock().unwrap_err().kind(), io::ErrorKind::NotFound);
    memory.write_record(&"a".into(), &record(1)).unwrap();
    let held = memory.lock().unwrap();
    assert!(held.is_some());
    assert!(memory.lock().unwrap().is_none());
    drop(held);
    assert!(memory.lock().unwrap().is_some());
}
