//! What a taken-over tool would try, one attempt a call: `attacker ATTEMPT [ARGUMENT]`.
//! Prints `ok ...` when the attempt succeeded and `refused ERRNO` when the kernel said no.
#![expect(unsafe_code, reason = "the attempts are raw system calls")]
#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::exit,
    clippy::indexing_slicing,
    clippy::large_stack_arrays,
    clippy::print_stdout,
    clippy::unnecessary_wraps,
    reason = "a test program"
)]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

type Attempt = io::Result<String>;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let argument = args.get(1).map_or("", String::as_str);
    let result = match args.first().map(String::as_str) {
        Some("read") => read(argument),
        Some("list") => list(argument),
        Some("stat") => fs::metadata(argument).map(|_| String::new()),
        Some("write") => write(argument),
        Some("exec") => Command::new(argument).status().map(|status| status.to_string()),
        Some("ld-so") => ld_so(if argument.is_empty() { "/tmp" } else { argument }),
        Some("memfd") => call(libc::SYS_memfd_create, [c"x".as_ptr() as i64, 0, 0, 0]),
        Some("chmod") => chmod(),
        Some("set-id") => set_id(),
        Some("openat2") => call(libc::SYS_openat2, [0, 0, 0, 0]),
        Some("chown") => chown(),
        Some("setxattr") => setxattr(),
        Some("mknod") => mknod(),
        Some("io-uring") => io_uring(),
        Some("socket") => socket(argument, args.get(2).map_or("0", String::as_str)),
        Some("unix-path") => UnixStream::connect(argument).map(|_| "connected".to_owned()),
        Some("unix-pair") => unix_pair(argument),
        Some("unix-abstract") => unix_abstract(argument),
        Some("tcp") => TcpStream::connect(argument).map(|_| "connected".to_owned()),
        Some("tcp-bind") => std::net::TcpListener::bind(argument).map(|_| "bound".to_owned()),
        Some("fast-open") => fast_open(argument),
        Some("unshare") => call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0]),
        Some("clone-newuser") => clone_newuser(),
        Some("clone3") => call(libc::SYS_clone3, [0, 0, 0, 0]),
        Some("setns") => setns(),
        Some("ptrace") => call(libc::SYS_ptrace, [libc::PTRACE_TRACEME.into(), 0, 0, 0]),
        Some("ptrace-init") => call(libc::SYS_ptrace, [libc::PTRACE_ATTACH.into(), 1, 0, 0]),
        Some("vm-read") => call(libc::SYS_process_vm_readv, [1, 0, 0, 0]),
        Some("mem-init") => File::open("/proc/1/mem").map(|_| String::new()),
        Some("kill") => kill(argument),
        Some("kill-all") => kill("-1"),
        Some("tiocsti") => tiocsti(),
        Some("tty") => File::open("/dev/tty").map(|_| String::new()),
        Some("keyctl") => call(libc::SYS_keyctl, [0, -3, 0, 0]),
        Some("bpf") => call(libc::SYS_bpf, [0, 0, 0, 0]),
        Some("perf") => call(libc::SYS_perf_event_open, [0, 0, 0, 0]),
        Some("userfaultfd") => call(libc::SYS_userfaultfd, [0, 0, 0, 0]),
        Some("mount") => mount(),
        Some("chroot") => call(libc::SYS_chroot, [c"/".as_ptr() as i64, 0, 0, 0]),
        Some("personality") => call(libc::SYS_personality, [0x0004_0000, 0, 0, 0]),
        Some("handle") => call(libc::SYS_open_by_handle_at, [0, 0, 0, 0]),
        Some("setuid-root") => call(libc::SYS_setuid, [0, 0, 0, 0]),
        Some("x32") => call(0x4000_0000 | libc::SYS_getpid, [0, 0, 0, 0]),
        Some("hardlink") => fs::hard_link("/etc/passwd", "/tmp/passwd").map(|()| String::new()),
        Some("fds") => fds(),
        Some("status") => fs::read_to_string("/proc/self/status"),
        Some("limits") => fs::read_to_string("/proc/self/limits"),
        Some("mounts") => fs::read_to_string("/proc/self/mountinfo"),
        Some("pids") => pids(),
        Some("environ") => Ok(environ()),
        Some("cwd") => std::env::current_dir().map(|dir| dir.display().to_string()),
        Some("fork-bomb") => Ok(fork_bomb()),
        Some("memory") => memory(),
        Some("shared-memory") => call(libc::SYS_shmget, [0, 1 << 20, 0o1600, 0]),
        Some("semaphores") => call(libc::SYS_semget, [0, 32_000, 0o1600, 0]),
        Some("big-file") => big_file(),
        Some("spin") => spin(),
        Some("sleep") => nap(argument),
        Some("ignore-term") => ignore_term(),
        Some("daemon") => daemon(argument, Duration::from_millis(100)),
        Some("daemon-wait") => daemon(argument, Duration::from_mins(10)),
        Some("seqpacket") => seqpacket(argument),
        Some("flood") => flood(argument),
        Some("exit") => std::process::exit(argument.parse().unwrap_or(1)),
        Some("abort") => std::process::abort(),
        Some("cat") => cat(),
        other => Err(io::Error::other(format!("no such attempt: {other:?}"))),
    };
    match result {
        Ok(said) => println!("ok {said}"),
        Err(error) => match error.raw_os_error() {
            Some(errno) => println!("refused {:?}", nix::errno::Errno::from_raw(errno)),
            None => println!("refused {error}"),
        },
    }
}

fn environ() -> String {
    std::env::vars().fold(String::new(), |all, (name, value)| all + &format!("{name}={value}\n"))
}

fn call(number: libc::c_long, a: [i64; 4]) -> Attempt {
    // SAFETY: the kernel judges the arguments; none points to memory that it would write.
    let result = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result.to_string()) }
}

fn read(path: &str) -> Attempt {
    let mut text = String::new();
    File::open(path)?.take(100).read_to_string(&mut text)?;
    Ok(text)
}

fn list(path: &str) -> Attempt {
    Ok(fs::read_dir(path)?.count().to_string())
}

fn write(path: &str) -> Attempt {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(b"x")?;
    Ok(String::new())
}

fn drop_copy_of_true(dir: &str) -> io::Result<String> {
    let path = format!("{dir}/evil");
    // Not fs::copy, which changes the mode.
    io::copy(&mut File::open("/proc/self/exe")?, &mut File::create(&path)?)?;
    Ok(path)
}

/// Runs a file of ours through the dynamic loader, which may be executed.
fn ld_so(dir: &str) -> Attempt {
    let file = drop_copy_of_true(dir)?;
    let run = Command::new(runner::plan::DYNAMIC_LOADERS[0]).arg(file).arg("cwd").output()?;
    if run.status.success() {
        Ok(String::from_utf8_lossy(&run.stdout).into_owned())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&run.stderr).into_owned()))
    }
}

fn set_id() -> Attempt {
    use std::os::unix::fs::OpenOptionsExt;
    let made = OpenOptions::new().create(true).append(true).mode(0o4755).open("/tmp/set-id")?;
    Ok(format!("{:o}", made.metadata()?.permissions().mode()))
}

fn chmod() -> Attempt {
    write("/tmp/file")?;
    fs::set_permissions("/tmp/file", fs::Permissions::from_mode(0o4755))?;
    Ok(String::new())
}

fn chown() -> Attempt {
    write("/tmp/file")?;
    std::os::unix::fs::chown("/tmp/file", Some(0), Some(0))?;
    Ok(String::new())
}

fn setxattr() -> Attempt {
    write("/tmp/file")?;
    let (path, name) = (c"/tmp/file".as_ptr() as i64, c"user.x".as_ptr() as i64);
    call(libc::SYS_setxattr, [path, name, c"v".as_ptr() as i64, 1])
}

fn mknod() -> Attempt {
    let mode = i64::from(libc::S_IFCHR | 0o666);
    call(libc::SYS_mknodat, [libc::AT_FDCWD.into(), c"/tmp/null".as_ptr() as i64, mode, 0x103])
}

fn io_uring() -> Attempt {
    let mut parameters = [0u8; 256];
    call(libc::SYS_io_uring_setup, [1, parameters.as_mut_ptr() as i64, 0, 0])
}

/// `socket FAMILY PROTOCOL`, stream or (raw families) datagram.
fn socket(family: &str, protocol: &str) -> Attempt {
    let family: i64 = family.parse().map_err(io::Error::other)?;
    let kind = match family {
        16 | 17 => libc::SOCK_RAW,
        38 => libc::SOCK_SEQPACKET,
        _ => libc::SOCK_STREAM,
    };
    let protocol = protocol.parse().map_err(io::Error::other)?;
    call(libc::SYS_socket, [family, kind.into(), protocol, 0])
}

fn unix_pair(path: &str) -> Attempt {
    let (one, _other) = std::os::unix::net::UnixDatagram::pair()?;
    one.send_to(b"x", path).map(|_| "sent".to_owned())
}

fn unix_abstract(name: &str) -> Attempt {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    UnixStream::connect_addr(&address).map(|_| "connected".to_owned())
}

/// Connects to a runner's socket and waits for its answer.
fn seqpacket(path: &str) -> Attempt {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, recv, socket};
    let kind = SockType::SeqPacket;
    let socket = socket(AddressFamily::Unix, kind, SockFlag::empty(), None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let mut answer = [0; 64];
    let read = recv(socket.as_raw_fd(), &mut answer, nix::sys::socket::MsgFlags::empty());
    Ok(if matches!(read, Ok(0) | Err(_)) { "connected, then closed" } else { "answered" }
        .to_owned())
}

/// Connects with the first data, which Landlock does not see.
fn fast_open(address: &str) -> Attempt {
    let address: std::net::SocketAddrV4 = address.parse().map_err(io::Error::other)?;
    // SAFETY: plain numbers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    let to = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    };
    let size = size_of::<libc::sockaddr_in>() as u32;
    let to = (&raw const to).cast();
    // SAFETY: the buffer and the address live through the call and have these lengths.
    let sent =
        unsafe { libc::sendto(socket, c"x".as_ptr().cast(), 1, libc::MSG_FASTOPEN, to, size) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok("sent".to_owned()) }
}

fn clone_newuser() -> Attempt {
    let flags = i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    let pid = call(libc::SYS_clone, [flags, 0, 0, 0])?;
    if pid == "0" {
        std::process::exit(0);
    }
    Ok(pid)
}

fn setns() -> Attempt {
    let own = File::open("/proc/self/ns/net")?;
    call(libc::SYS_setns, [own.as_raw_fd().into(), 0, 0, 0])
}

fn kill(pid: &str) -> Attempt {
    let pid: i64 = pid.parse().map_err(io::Error::other)?;
    call(libc::SYS_kill, [pid, libc::SIGKILL.into(), 0, 0])
}

fn tiocsti() -> Attempt {
    call(libc::SYS_ioctl, [0, 0x5412, c"x".as_ptr() as i64, 0])
}

fn mount() -> Attempt {
    let (none, tmp) = (c"none".as_ptr() as i64, c"/tmp".as_ptr() as i64);
    call(libc::SYS_mount, [none, tmp, c"tmpfs".as_ptr() as i64, 0])
}

fn fds() -> Attempt {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let number = entry.file_name().to_string_lossy().into_owned();
        // The directory that is being read is one itself.
        if fs::read_link(entry.path()).is_ok_and(|to| !to.ends_with("fd")) {
            open.push(number);
        }
    }
    open.sort();
    Ok(open.join(","))
}

fn pids() -> Attempt {
    let names = fs::read_dir("/proc")?.filter_map(|e| e.ok()?.file_name().into_string().ok());
    let mut pids: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    Ok(format!("{pids:?}"))
}

fn fork_bomb() -> String {
    for count in 0..10_000 {
        // SAFETY: one thread; the child only sleeps.
        match unsafe { libc::fork() } {
            -1 => return format!("{count} {:?}", nix::errno::Errno::last()),
            0 => loop {
                sleep(Duration::from_mins(1));
            },
            _ => {}
        }
    }
    "no limit".to_owned()
}

fn memory() -> Attempt {
    let mut held: Vec<Vec<u8>> = Vec::new();
    for _ in 0..64 {
        let mut block = Vec::new();
        block.try_reserve_exact(64 << 20).map_err(|_full| io::Error::from_raw_os_error(12))?;
        held.push(block);
    }
    Ok(format!("{} MiB", held.len() * 64))
}

fn big_file() -> Attempt {
    // SAFETY: an ignored signal runs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let mut file = File::create("big")?;
    for _ in 0..1024 {
        file.write_all(&[0; 65_536])?;
    }
    Ok("64 MiB".to_owned())
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn nap(seconds: &str) -> Attempt {
    println!("started");
    sleep(Duration::from_secs(seconds.parse().map_err(io::Error::other)?));
    Ok("slept".to_owned())
}

fn ignore_term() -> Attempt {
    // SAFETY: an ignored signal runs no code.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    println!("started");
    sleep(Duration::from_mins(10));
    Ok("slept".to_owned())
}

/// Forks twice, leaves the session, ignores TERM, and lives on under a name that can be found.
fn daemon(name: &str, starter_stays: Duration) -> Attempt {
    // SAFETY: one thread.
    if unsafe { libc::fork() } != 0 {
        println!("started");
        sleep(starter_stays);
        return Ok("daemon started".to_owned());
    }
    // SAFETY: no memory is passed.
    unsafe { libc::setsid() };
    // SAFETY: one thread.
    if unsafe { libc::fork() } != 0 {
        std::process::exit(0);
    }
    // SAFETY: an ignored signal runs no code.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    let name = CString::new(name).map_err(io::Error::other)?;
    // SAFETY: a string of at most 16 bytes is copied.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
    sleep(Duration::from_mins(10));
    Ok(String::new())
}

fn flood(bytes: &str) -> Attempt {
    let mut left: usize = bytes.parse().map_err(io::Error::other)?;
    let block = [b'y'; 8192];
    while left > 0 {
        let part = left.min(block.len());
        io::stdout().write_all(&block[..part])?;
        left -= part;
    }
    io::stdout().flush()?;
    Ok(String::new())
}

fn cat() -> Attempt {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}
