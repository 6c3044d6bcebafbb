//! Attempts to get out of the sandbox, by a program that does what it likes. Every line must stay
//! refused; docs/threats.md names these tests.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};

use proto::{Ended, Status};

use crate::bench::{Bench, POLICY, PORTS, eventually, lives, unique_name};
use crate::{Case, cases};

pub(crate) fn cases() -> Vec<Case> {
    let ports = cases![RootAndPorts:
        tcp_reaches_only_the_ports_of_the_policy,
        fast_open_does_not_go_around_the_ports,
    ];
    let root = cases![Root:
        files_outside_the_policy_cannot_be_read,
        a_capability_that_overrides_permissions_is_not_there,
        the_hosts_directories_are_hidden,
        what_hides_them_takes_no_programs_devices_or_set_user_ids,
        nothing_is_writable_but_the_work_directory,
        other_programs_cannot_be_executed,
        a_file_of_ones_own_cannot_run_through_the_loader,
        a_directory_of_the_policy_takes_files_but_no_programs,
        code_without_a_file_cannot_run,
        modes_owners_attributes_and_devices_cannot_be_made,
        files_cannot_be_linked_in,
        io_uring_is_not_there,
        unix_sockets_cannot_be_reached,
        a_pair_of_sockets_does_not_reach_a_third,
        odd_socket_families_and_protocols_are_refused,
        no_network_means_none,
        namespaces_cannot_be_made_or_entered,
        other_processes_cannot_be_traced_or_read,
        signals_do_not_leave_the_namespace,
        terminals_cannot_be_typed_into,
        kernel_surface_is_closed,
        x32_calls_do_not_slip_through,
        root_cannot_be_had_back,
        a_fork_bomb_ends_at_the_process_limit,
        memory_ends_at_the_limit,
        memory_that_no_limit_counts_is_not_there,
        a_file_ends_at_the_size_limit,
        processor_time_ends_at_the_limit,
        work_directories_are_not_shared_and_not_kept,
    ];
    root.into_iter().chain(ports).collect()
}

fn with_ports() -> Bench {
    Bench::with(&format!("{POLICY}{PORTS}"))
}

fn refused(bench: &Bench, command: &str, args: &[&str], with: &str) {
    let run = bench.run(command, args);
    assert_eq!(run.attempt(), format!("refused {with}"), "{command} {args:?} {}", run.stderr);
}

fn files_outside_the_policy_cannot_be_read() {
    let bench = Bench::start();
    refused(&bench, "attacker", &["read", "/etc/shadow"], "EACCES");
    refused(&bench, "attacker", &["read", "/etc/hostname"], "EACCES");
    refused(&bench, "attacker", &["list", "/etc"], "EACCES");
    refused(&bench, "attacker", &["list", "/var"], "EACCES");
    refused(&bench, "attacker", &["read", "/proc/../etc/shadow"], "EACCES");
    assert!(bench.run("attacker", &["read", "/etc/passwd"]).attempt().starts_with("ok root:"));
}

fn a_capability_that_overrides_permissions_is_not_there() {
    // Even where the policy lets the file be opened, the owner's mode still holds.
    let policy = POLICY.replace("\"/etc/passwd\"", "\"/etc/passwd\", \"/etc/shadow\"");
    let bench = Bench::with(&policy);
    refused(&bench, "attacker", &["read", "/etc/shadow"], "EACCES");
}

fn the_hosts_directories_are_hidden() {
    let bench = Bench::start();
    let secret = tempfile::Builder::new().prefix("secret-").tempdir().unwrap();
    let secret = secret.path().to_str().unwrap();
    refused(&bench, "attacker", &["stat", secret], "ENOENT");
    refused(&bench, "attacker", &["stat", "/root/.bashrc"], "ENOENT");
    refused(&bench, "attacker", &["stat", bench.socket.to_str().unwrap()], "ENOENT");
}

fn what_hides_them_takes_no_programs_devices_or_set_user_ids() {
    let bench = Bench::start();
    let mounts = bench.run("attacker", &["mounts"]).attempt().to_owned();
    for directory in [
        "/tmp", "/var/tmp", "/run", "/home", "/root", "/srv", "/mnt", "/media", "/dev/shm", "/boot",
    ] {
        let on_the_host = std::fs::symlink_metadata(directory);
        if !on_the_host.is_ok_and(|metadata| metadata.is_dir()) {
            continue;
        }
        // proc_pid_mountinfo(5): ID parent major:minor root WHERE OPTIONS ... - TYPE ...
        let line = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some(directory));
        let line = line.unwrap_or_else(|| panic!("{directory} is not covered"));
        let options: Vec<_> = line.split(' ').nth(5).unwrap().split(',').collect();
        assert!(line.contains(" - tmpfs "), "{line}");
        assert!(["noexec", "nosuid", "nodev"].iter().all(|o| options.contains(o)), "{line}");
    }
}

fn nothing_is_writable_but_the_work_directory() {
    let bench = Bench::start();
    for path in ["/etc/cron.d/x", "/var/tmp/x", "/run/x", "/dev/shm/x", "/home/x", "/proc/sys/x"] {
        let run = bench.run("attacker", &["write", path]);
        assert!(run.attempt().starts_with("refused E"), "{path}: {}", run.stdout);
    }
    assert_eq!(bench.run("attacker", &["write", "/tmp/x"]).attempt(), "ok");
}

fn other_programs_cannot_be_executed() {
    let bench = Bench::start();
    refused(&bench, "attacker", &["exec", "/bin/sh"], "EACCES");
    refused(&bench, "attacker", &["exec", "/usr/bin/id"], "EACCES");
    refused(&bench, "attacker", &["exec", "/usr/bin/su"], "EACCES");
}

fn a_file_of_ones_own_cannot_run_through_the_loader() {
    let bench = Bench::start();
    let run = bench.run("attacker", &["ld-so"]);
    assert!(run.attempt().starts_with("refused"), "{}", run.stdout);
    assert!(run.attempt().contains("failed to map segment"), "{}", run.stdout);
}

fn a_directory_of_the_policy_takes_files_but_no_programs() {
    // One that runs see as it is, and one that comes back into a hidden directory.
    for parent in ["/var/lib", "/tmp"] {
        let dir = tempfile::tempdir_in(parent).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let path = dir.path().to_str().unwrap();
        let granted = format!("rw = [\"{path}\", ");
        let bench = Bench::with(&POLICY.replace("rw = [", &granted));
        let file = format!("{path}/file");
        assert_eq!(bench.run("attacker", &["write", &file]).attempt(), "ok");
        assert_eq!(std::fs::read(file).unwrap(), b"x");
        let run = bench.run("attacker", &["ld-so", path]);
        assert!(run.attempt().contains("failed to map segment"), "{}", run.stdout);
    }
}

fn code_without_a_file_cannot_run() {
    refused(&Bench::start(), "attacker", &["memfd"], "ENOSYS");
}

fn modes_owners_attributes_and_devices_cannot_be_made() {
    let bench = Bench::start();
    for attempt in ["chmod", "chown", "setxattr", "mknod"] {
        refused(&bench, "attacker", &[attempt], "ENOSYS");
    }
    refused(&bench, "attacker", &["set-id"], "EPERM");
    refused(&bench, "attacker", &["openat2"], "ENOSYS");
}

fn files_cannot_be_linked_in() {
    let bench = Bench::start();
    let run = bench.run("attacker", &["hardlink"]);
    assert!(run.attempt().starts_with("refused E"), "{}", run.stdout);
}

fn io_uring_is_not_there() {
    refused(&Bench::start(), "attacker", &["io-uring"], "ENOSYS");
}

fn unix_sockets_cannot_be_reached() {
    let bench = Bench::start();
    let path = bench.dir.path().join("host.sock");
    let _listening = UnixListener::bind(&path).unwrap();
    for command in ["attacker", "net"] {
        refused(&bench, command, &["unix-path", path.to_str().unwrap()], "EPERM");
        refused(&bench, command, &["unix-abstract", "anything"], "EPERM");
    }
}

fn a_pair_of_sockets_does_not_reach_a_third() {
    let bench = Bench::start();
    // Not beneath a directory that runs do not see.
    let dir = tempfile::tempdir_in("/var/lib").unwrap();
    let path = dir.path().join("host.sock");
    let _listening = UnixDatagram::bind(&path).unwrap();
    for path in [dir.path(), &path] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    for command in ["attacker", "net"] {
        refused(&bench, command, &["unix-pair", path.to_str().unwrap()], "EPERM");
    }
}

fn odd_socket_families_and_protocols_are_refused() {
    let bench = Bench::start();
    // vsock, AF_ALG, AF_PACKET, AF_KEY, bluetooth, CAN
    for family in ["40", "38", "17", "15", "31", "29"] {
        refused(&bench, "net", &["socket", family], "EPERM");
    }
    // MPTCP, SCTP, SMC: streams that Landlock's rules for TCP do not see.
    for protocol in ["262", "132", "256", "33"] {
        refused(&bench, "net", &["socket", "2", protocol], "EPERM");
    }
    assert_eq!(bench.run("net", &["socket", "2", "6"]).attempt(), "ok 3");
    // Netlink to user sockets, IPsec, audit, netfilter, connector, generic.
    for protocol in ["2", "6", "9", "12", "11", "16"] {
        refused(&bench, "net", &["socket", "16", protocol], "EPERM");
    }
    for protocol in ["0", "4"] {
        assert_eq!(bench.run("net", &["socket", "16", protocol]).attempt(), "ok 3");
    }
}

fn no_network_means_none() {
    let bench = Bench::start();
    for family in ["1", "2", "10", "16"] {
        refused(&bench, "attacker", &["socket", family], "EPERM");
    }
}

fn tcp_reaches_only_the_ports_of_the_policy() {
    let bench = with_ports();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    refused(&bench, "ports", &["tcp", &address], "EACCES");
    refused(&bench, "ports", &["tcp-bind", "127.0.0.1:0"], "EACCES");
    assert_eq!(bench.run("net", &["tcp", &address]).attempt(), "ok connected");
}

fn fast_open_does_not_go_around_the_ports() {
    let bench = with_ports();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    refused(&bench, "ports", &["fast-open", &address], "EPERM");
}

fn namespaces_cannot_be_made_or_entered() {
    let bench = Bench::start();
    refused(&bench, "attacker", &["unshare"], "ENOSYS");
    refused(&bench, "attacker", &["clone-newuser"], "EPERM");
    refused(&bench, "attacker", &["clone3"], "ENOSYS");
    refused(&bench, "attacker", &["setns"], "ENOSYS");
    refused(&bench, "attacker", &["mount"], "ENOSYS");
    refused(&bench, "attacker", &["chroot"], "ENOSYS");
}

fn other_processes_cannot_be_traced_or_read() {
    let bench = Bench::start();
    refused(&bench, "attacker", &["ptrace"], "ENOSYS");
    refused(&bench, "attacker", &["ptrace-init"], "ENOSYS");
    refused(&bench, "attacker", &["vm-read"], "ENOSYS");
    refused(&bench, "attacker", &["mem-init"], "EACCES");
}

fn signals_do_not_leave_the_namespace() {
    let bench = Bench::start();
    let runner = bench.pid().to_string();
    refused(&bench, "attacker", &["kill", &runner], "ESRCH");
    refused(&bench, "attacker", &["kill", "1"], "EPERM");
    // All that it may signal is itself, and `kill(-1)` leaves itself out.
    let run = bench.run("attacker", &["kill-all"]);
    assert!(run.attempt().starts_with("refused"), "{}", run.stdout);
    assert_eq!(bench.run("attacker", &["exit", "0"]).exit().status, Status::Code(0));
}

fn terminals_cannot_be_typed_into() {
    let bench = Bench::start();
    refused(&bench, "attacker", &["tiocsti"], "EPERM");
    refused(&bench, "attacker", &["tty"], "EACCES");
}

fn kernel_surface_is_closed() {
    let bench = Bench::start();
    for attempt in ["keyctl", "bpf", "perf", "userfaultfd", "personality", "handle"] {
        refused(&bench, "attacker", &[attempt], "ENOSYS");
    }
}

fn x32_calls_do_not_slip_through() {
    refused(&Bench::start(), "attacker", &["x32"], "ENOSYS");
}

fn root_cannot_be_had_back() {
    refused(&Bench::start(), "attacker", &["setuid-root"], "ENOSYS");
}

fn a_fork_bomb_ends_at_the_process_limit() {
    let bench = Bench::start();
    let run = bench.run("attacker", &["fork-bomb"]);
    let attempt = run.attempt();
    let count: u32 = attempt.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(attempt.ends_with("EAGAIN") && count < 20, "{attempt}");
}

fn memory_ends_at_the_limit() {
    refused(&Bench::start(), "attacker", &["memory"], "ENOMEM");
}

fn memory_that_no_limit_counts_is_not_there() {
    let bench = Bench::start();
    for attempt in ["shared-memory", "semaphores"] {
        refused(&bench, "attacker", &[attempt], "ENOSYS");
    }
}

fn a_file_ends_at_the_size_limit() {
    refused(&Bench::start(), "attacker", &["big-file"], "EFBIG");
}

fn processor_time_ends_at_the_limit() {
    let run = Bench::start().run("attacker", &["spin"]);
    assert_eq!(run.exit().ended, Ended::Itself);
    // SIGXCPU
    assert_eq!(run.exit().status, Status::Signal(24));
}

fn work_directories_are_not_shared_and_not_kept() {
    let bench = Bench::start();
    assert_eq!(bench.run("attacker", &["write", "/tmp/left"]).attempt(), "ok");
    refused(&bench, "attacker", &["stat", "/tmp/left"], "ENOENT");
    assert!(!std::path::Path::new("/tmp/left").exists());
    let name = unique_name();
    bench.run("attacker", &["daemon", &name]);
    eventually("nothing lives", || !lives(&name));
}
