use std::fs;
use std::time::Duration;

use moddb::build::outputs::OutputKind;

use super::*;
use crate::messages::Silent;
use crate::running::PATIENCE;

const ALL: NonZero<usize> = NonZero::<usize>::MAX;

fn output(name: &'static str, text: &str) -> Output {
    Output { name, kind: OutputKind::Text, bytes: text.into() }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn opened(root: &Path) -> (OutputDirectory, Running) {
    let tree = Arc::new(Tree::open(root, false).unwrap());
    (OutputDirectory::new(&tree), Running::begin(&tree, &Silent, PATIENCE).unwrap())
}

fn publish(root: &Path, outputs: &[Output], times: Times) -> Result<(), CannotPublish> {
    let (directory, running) = opened(root);
    let replacement = Replacement::begin(&directory, running);
    replacement.finish(&outputs.iter().collect::<Vec<_>>(), Vec::new(), times, ALL)
}

fn times(scan_began: u64, latest: Option<u64>) -> Times {
    let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Times { scan_began: time(scan_began), latest: latest.map(time) }
}

#[test]
fn files_appear_whole_with_their_mode_and_the_reference_with_its_time() {
    let root = tempfile::tempdir().unwrap();
    let outputs = [output(REFERENCE, "a"), output("modules.alias", "b")];
    publish(root.path(), &outputs, times(1_000_000, None)).unwrap();
    assert_eq!(names(root.path()), ["modules.alias", "modules.dep"]);
    let metadata = fs::metadata(root.path().join(REFERENCE)).unwrap();
    assert_eq!(metadata.modified().unwrap(), times(1_000_000, None).scan_began);
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o644);
    assert_eq!(fs::read(root.path().join("modules.alias")).unwrap(), b"b");
}

#[test]
fn no_file_gets_a_later_time_than_it_may() {
    let root = tempfile::tempdir().unwrap();
    let outputs = [output(REFERENCE, "a"), output("modules.alias", "b")];
    for (began, latest) in [(1_000_000, 2_000), (1_000, 2_000)] {
        publish(root.path(), &outputs, times(began, Some(latest))).unwrap();
        let seconds = |name: &str| {
            let modified = fs::metadata(root.path().join(name)).unwrap().modified().unwrap();
            modified.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
        };
        assert_eq!((seconds(REFERENCE), seconds("modules.alias")), (began.min(latest), latest));
    }
}

#[test]
fn a_failure_before_the_first_rename_changes_nothing_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(REFERENCE), "old").unwrap();
    let outputs = [output(REFERENCE, "a"), output("missing-directory/modules.alias", "b")];
    let error = publish(root.path(), &outputs, times(0, None)).unwrap_err();
    assert!(!error.mixed);
    assert_eq!(names(root.path()), [REFERENCE]);
    assert_eq!(fs::read(root.path().join(REFERENCE)).unwrap(), b"old");
}

#[test]
fn a_directory_where_a_file_belongs_is_found_before_anything_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(REFERENCE), "old").unwrap();
    fs::create_dir(root.path().join("modules.softdep")).unwrap();
    let outputs = [output(REFERENCE, "a"), output("modules.alias", "b"), output("modules.softdep", "c")];
    let error = publish(root.path(), &outputs, times(0, None)).unwrap_err();
    assert!(!error.mixed);
    assert_eq!(error.file, root.path().join("modules.softdep"));
    assert_eq!(names(root.path()), [REFERENCE, "modules.softdep"]);
    assert_eq!(fs::read(root.path().join(REFERENCE)).unwrap(), b"old");
}

#[test]
fn what_a_killed_run_left_is_removed_but_not_what_a_living_one_uses() {
    let root = tempfile::tempdir().unwrap();
    let [dead, alive] =
        ["1-modules.dep", "2-modules.dep"].map(|name| root.path().join(format!("{TEMPORARY_PREFIX}{name}")));
    fs::write(&dead, "").unwrap();
    let living = File::create(&alive).unwrap();
    flock(&living, FlockOperation::LockExclusive).unwrap();
    publish(root.path(), &[output(REFERENCE, "a")], times(0, None)).unwrap();
    assert_eq!(names(root.path()), [".depmod-2-modules.dep", REFERENCE]);
}

#[test]
fn a_name_that_a_process_of_the_same_number_uses_is_not_taken_from_it() {
    let root = tempfile::tempdir().unwrap();
    let taken = format!("{TEMPORARY_PREFIX}{}-{REFERENCE}", std::process::id());
    let other = File::create(root.path().join(&taken)).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    publish(root.path(), &[output(REFERENCE, "a")], times(0, None)).unwrap();
    assert_eq!(names(root.path()), [taken.as_str(), REFERENCE]);
    assert_eq!(fs::read(root.path().join(REFERENCE)).unwrap(), b"a");
}

#[test]
fn a_file_is_as_it_should_be_if_bytes_mode_and_kind_are() {
    let root = tempfile::tempdir().unwrap();
    let long = "x".repeat(200_000);
    let outputs = [output(REFERENCE, &long)];
    publish(root.path(), &outputs, times(0, None)).unwrap();
    let path = root.path().join(REFERENCE);
    let differs = || {
        let (directory, _running) = opened(root.path());
        !outputs.iter().all(|output| directory.has(output))
    };
    assert!(!differs());
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(differs());
    fs::write(&path, format!("{}y", &long[1..])).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(differs());
    fs::write(&path, &long).unwrap();
    assert!(!differs());
    fs::rename(&path, root.path().join("elsewhere")).unwrap();
    assert!(differs());
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(differs());
}
