//! Programs that can be made to run other programs or to write files by their arguments: shells,
//! interpreters, and the tools that the `GTFOBins` collection lists for it. Compiled in, so that no
//! file can shorten the list.

/// Shells and interpreters: even a plain path is a program to them.
const INTERPRETERS: &str = "\
    ash awk bash bpftrace busybox csh dash deno erl fish gawk gcl guile irb java jjs jrunscript \
    ksh lua luajit mawk mksh nawk node nodejs octave perl php pwsh python rc rsh ruby sh tclsh \
    tcsh wish zsh";

/// Programs that run others, or write what and where they are told.
const RUNNERS: &str = "\
    ansible-playbook ansible-test apt apt-get aptitude at awk batch bconsole bundle bundler \
    byebug bzip2 capsh cargo certbot check_by_ssh chroot chrt cobc composer cowsay cowthink cp \
    cpan cpio cpulimit crash crontab ctr dc dd distcc dmesg dmsetup dnf doas docker dotnet dpkg \
    dstat dvips easy_install ed elvish emacs env ex exiftool expect facter find flatpak flock \
    ftp gdb gem genie ghc ghci gimp git go gzip hping3 iftop install ionice journalctl knife \
    kubectl latex ld.so less lftp ln loginctl logsave ltrace mail make man more mount msfconsole \
    multitime mv mysql nano nc ncat ncftp neofetch nice nmap nohup npm nsenter openvpn parallel \
    pdb perlbug pg pic pico pip pkexec podman psql puppet rake rlwrap rpm rsync run-parts \
    runscript scp screen script sed service setarch sftp slsh socat split sqlite3 ssh sshpass \
    stdbuf strace su sudo systemctl systemd-run tar taskset tcpdump tee telnet time timeout tmux \
    tshark unshare unzip uv valgrind vi view vigr vim vimdiff vipw virsh watch wget wireshark \
    xargs xdotool xelatex xetex xz yum zip";

/// Whether a program of that name runs what its arguments say.
pub(super) fn runs_others(program: &str) -> bool {
    let name = base(program);
    has(INTERPRETERS, name) || has(RUNNERS, name)
}

/// Whether even a path among its arguments is a program to it.
pub(super) fn reads_programs(program: &str) -> bool {
    has(INTERPRETERS, base(program))
}

/// The name without a version: `python3.11` is `python`, `ld-linux-x86-64.so.2` is `ld.so`.
fn base(program: &str) -> &str {
    if program.starts_with("ld-") || program.starts_with("ld.so") {
        return "ld.so";
    }
    if has(RUNNERS, program) {
        return program;
    }
    program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

fn has(names: &str, name: &str) -> bool {
    names.split_ascii_whitespace().any(|one| one == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_do_not_hide_an_interpreter() {
        for name in
            ["python3", "python3.11", "perl5.36.0", "bash", "ld-linux-x86-64.so.2", "sqlite3"]
        {
            assert!(runs_others(name), "{name}");
        }
        for name in ["ls", "df", "ip", "dig", "cat"] {
            assert!(!runs_others(name), "{name}");
        }
        assert!(reads_programs("python3.11") && !reads_programs("find"));
    }
}
