"""Commands and options of others that lxgit has not, and what does the same, or what comes nearest.

STORE is the store's directory, in which stock Git does what it does anywhere; where there is one,
its path is told.
"""

from __future__ import annotations

_DISKS = "what a container does to the disk is not limited by itself: docs/security.md"
_CPUS = "--cpus 1.5 and --cpuset-cpus"

_RUN = {
    "--annotation": "--label",
    "--blkio-weight": _DISKS,
    "--cgroup-parent": "limits are a container's own: -m, --cpus, --pids-limit",
    "--cgroupns": "a container sees its own control group alone, as with Docker's private",
    "--cpu-period": _CPUS,
    "--cpu-quota": _CPUS,
    "--device-cgroup-rule": "--device gives it one; nodes that it makes itself open nothing",
    "--device-read-bps": _DISKS,
    "--device-read-iops": _DISKS,
    "--device-write-bps": _DISKS,
    "--device-write-iops": _DISKS,
    "--domainname": "-h takes a name with dots",
    "--gpus": "--device gives it the device nodes: --device /dev/dri/renderD128",
    "--ip6": "--ip chooses that of IPv6 too: it ends in the same number",
    "--ipc": "a container's is its own, with --shm-size; two share files by -v VOLUME:PATH",
    "--isolation": "that is of Windows",
    "--link": "--network NAME of both: each knows the others there by name",
    "--memory-swappiness": "--memory-swap",
    "--oom-kill-disable": "--oom-score-adj",
    "--pid": "a container sees its own processes alone: 'lxgit exec' joins them, 'lxgit top' lists",
    "--platform": "'lxgit pull --platform OS/ARCHITECTURE SOURCE NAME' fetches it; then run NAME",
    "--runtime": "containers run in LXC",
    "--storage-opt": _DISKS,
    "--uts": "a container's host name is its own: -h, --hostname",
    "--volume-driver": "a volume lies in the store",
}
_NETWORK = "a network is a bridge of this host: --subnet, --gateway, --ip-range, --internal"
_NO_INDEX = "there is no index: 'lxgit commit' records all that a container changed"
_NO_STAGED = "there is no index: all is put away that a container changed"
_AT_ONCE = f"{_NO_INDEX}; 'lxgit restore CONTAINER:/PATH' puts a path back first"
_BY_GIT = "'git -C STORE/git {}' knows it: the store is a repository of Git's"
_PATHS_BY_GIT = f"{_BY_GIT}, where paths begin with rootfs/"
_NO_REMOTES = "'lxgit branch' lists all: registries have names of images, and no branches here"
_ORPHAN = "'lxgit bootstrap' and 'lxgit import' begin a history of its own"
_HEAD_ALONE = "HEAD moves without it, and no container is touched"
_BRANCH_ALONE = "'lxgit branch -f NAME REV' moves a branch, and no container"
_OF_DIFFS = """
--numstat --shortstat --summary --dirstat --raw --check --diff-filter --color --no-color
--color-words --word-diff -w --ignore-all-space -b --ignore-space-change -M --find-renames
--no-renames -R -S -G -a --text --binary
"""
_OF_LOGS = """
--author --committer --grep -i --since --after --until --before --merges --no-merges --date --pretty
--abbrev-commit --no-decorate -L --topo-order --date-order --branches --tags --left-right --source
--cherry --cherry-pick --cherry-mark --boundary --ancestry-path --simplify-by-decoration -U
--unified --no-walk
"""
_MESSAGE = "-m or -F gives the message, and without them the editor opens"
_KEPT_STEPS = "steps that were built here are taken from the store; --no-cache builds all anew"
_OF_LISTS = "--contains --no-contains --merged --no-merged --points-at --sort"
_OF_CHECKS = (
    "--full --strict --lost-found --unreachable --dangling --no-dangling --connectivity-only"
)
_OF_PARSING = "--git-dir --absolute-git-dir --is-bare-repository --symbolic-full-name --symbolic"
INSTEAD = {
    "build": {
        "--load": "what is built is in the store: 'lxgit run' takes it",
        "--push": "'lxgit push NAME [HOST/]IMAGE' sends what was built",
        **dict.fromkeys(("--cache-from", "--cache-to"), _KEPT_STEPS),
        **dict.fromkeys(
            ("-o", "--output"), "'lxgit export' writes an image as a tar, 'lxgit save' for others"
        ),
    },
    "branch": dict.fromkeys(("-a", "--all", "-r", "--remotes"), _NO_REMOTES)
    | dict.fromkeys(_OF_LISTS.split(), _BY_GIT.format("branch"))
    | dict.fromkeys(("-c", "--copy"), "'lxgit branch NEW OLD' makes another at the same commit")
    | dict.fromkeys(("-t", "--track", "-u", "--set-upstream-to"), _NO_REMOTES),
    "checkout": dict.fromkeys(("-f", "--force"), f"{_HEAD_ALONE}; --stash moves one with changes")
    | {"--orphan": _ORPHAN},
    "commit": {
        "--amend": "'lxgit undo' takes back the commit just made: the container has its changes",
        "--dry-run": "'lxgit status' shows what it would record",
        **dict.fromkeys(("-p", "--patch", "-i", "--interactive"), _AT_ONCE),
        **dict.fromkeys(("-C", "--reuse-message", "--reedit-message", "--no-edit"), _MESSAGE),
    },
    "create": _RUN,
    "diff": dict.fromkeys(("--cached", "--staged"), "there is no index: without it all is shown")
    | dict.fromkeys(("-p", "--patch"), "without it all is shown")
    | dict.fromkeys(_OF_DIFFS.split(), _PATHS_BY_GIT.format("diff OLD NEW")),
    "fsck": dict.fromkeys(_OF_CHECKS.split(), _BY_GIT.format("fsck")),
    "gc": {
        "--aggressive": _BY_GIT.format("gc"),
        "--prune": "--now keeps nothing that only a reflog reaches",
    },
    "log": dict.fromkeys((_OF_LOGS + _OF_DIFFS).split(), _PATHS_BY_GIT.format("log"))
    | dict.fromkeys(("-s", "--no-patch"), "without -p no changes are shown")
    | dict.fromkeys(("-g", "--walk-reflogs"), "'lxgit reflog' lists where HEAD or a branch was")
    | {"--not": "^REV leaves out what led to REV", "--remotes": _NO_REMOTES},
    "push": dict.fromkeys(("-f", "--force"), "a name in a registry moves without it")
    | dict.fromkeys(("-a", "--all-tags", "--all", "--tags"), "one NAME[:TAG] after the other"),
    "reset": dict.fromkeys(("--soft", "--mixed", "--keep"), _BRANCH_ALONE),
    "restore": {"--staged": "there is no index: without it files are put back"},
    "rev-parse": dict.fromkeys(_OF_PARSING.split(), _BY_GIT.format("rev-parse")),
    "run": _RUN,
    "show": dict.fromkeys(
        ("-s", "--no-patch", "-q", "--quiet"), "'lxgit log -n 1 REV' shows no changes"
    )
    | dict.fromkeys(
        ("--date", "--oneline", "--pretty", "-U", "--unified", *_OF_DIFFS.split()),
        _PATHS_BY_GIT.format("show"),
    ),
    "stash push": dict.fromkeys(
        ("-u", "--include-untracked", "-a", "--all"),
        "without it all goes that a container changed, new files too",
    )
    | dict.fromkeys(("-k", "--keep-index", "-S", "--staged", "-p", "--patch"), _NO_STAGED),
    "status": dict.fromkeys(
        ("-s", "--short", "--porcelain"),
        "'lxgit diff --name-status CONTAINER' is short; --format json is for programs",
    ),
    "switch": dict.fromkeys(("-f", "--force", "--discard-changes"), _HEAD_ALONE)
    | {"--orphan": _ORPHAN},
    "tag": dict.fromkeys(
        (*_OF_LISTS.split(), "-s", "--sign", "-u", "--local-user", "-v", "--verify"),
        _BY_GIT.format("tag"),
    )
    | dict.fromkeys(("-F", "--file"), "-m gives the message"),
    "volume create": dict.fromkeys(
        ("-o", "--opt"), "a volume lies in the store; 'lxgit run -v /DIRECTORY:/PATH' takes another"
    ),
    "network create": dict.fromkeys(
        ("-o", "--opt", "--attachable", "--ipam-driver", "--scope", "--ingress"), _NETWORK
    ),
}
FORMATS = {
    **{name: _BY_GIT.format(name) for name in ("branch", "reflog", "tag")},
    **{name: _PATHS_BY_GIT.format(name) for name in ("log", "show")},
}
"""Of a --format that the command has not, and stock Git has."""

OF_ALL = {"--store": "it stands before the command: 'lxgit --store DIR COMMAND'"}
"""Of whatever command."""

ARGUMENTS = {
    "import": "'lxgit import SOURCE REPO', then 'lxgit tag REPO:TAG REPO'",
}
"""Of a line with one argument more than the command has, as lines were written in 2013."""

_LINES = (
    "'lxgit log -- /PATH' lists what changed a file, 'git -C STORE/git blame REV -- rootfs/PATH'"
    " who wrote its lines"
)
_PATHS = (
    "'lxgit restore --source REV CONTAINER:/PATH' takes over a path of another commit, 'lxgit"
    " commit' records it"
)
_FETCHED = "'lxgit pull [HOST/]IMAGE [NAME]' fetches an image and its history"
_CARRIED = "'lxgit push' and 'lxgit pull', or 'lxgit save' and 'lxgit load', carry commits"
_CALLED = "'lxgit branch -v' and 'lxgit tag' list the names, 'lxgit rev-parse NAME' prints an id"
_LISTED = "'lxgit ls -R REV' lists what an image has"
_DELETED = "'lxgit rm' deletes containers, 'lxgit rmi' names of images"
_ONE_HOST = "containers are of one host: 'lxgit run -d --restart always' keeps one going"
_FILES = "'lxgit ls CONTAINER:/PATH' and 'lxgit cp' get at files, whether it runs or not"

COMMANDS = {
    "add": _NO_INDEX,
    "am": _CARRIED,
    "annotate": _LINES,
    "apply": _CARRIED,
    "archive": "'lxgit export' writes an image as a tar",
    "bisect": "'lxgit log --oneline' lists the commits, 'lxgit run --rm REV COMMAND' tries one",
    "blame": _LINES,
    "bundle": "'lxgit save' writes images with their histories",
    "cat": "'lxgit show REV:/PATH' prints a file",
    "cat-file": "'lxgit show REV:/PATH' prints a file, 'git -C STORE/git cat-file' any object",
    "cherry-pick": _PATHS,
    "clean": "'lxgit reset --hard CONTAINER' drops what a container changed",
    "clone": _FETCHED,
    "compose": "'lxgit network create NET', then 'lxgit run -d --network NET' for each container:"
    " there they know each other by name",
    "config": "'lxgit commit --change' sets what an image says, 'git -C STORE/git config user.name"
    " NAME' who commits",
    "console": "'lxgit attach' connects to a container, 'lxgit exec -it CONTAINER sh' runs a shell",
    "context": "'lxgit --store DIR COMMAND', or LXGIT_STORE, names the store",
    "delete": _DELETED,
    "describe": _BY_GIT.format("describe"),
    "destroy": _DELETED,
    "diff-tree": _BY_GIT.format("diff-tree OLD NEW"),
    "fetch": _FETCHED,
    "for-each-ref": _CALLED,
    "format-patch": _CARRIED,
    "freeze": "'lxgit pause' has a container stand still",
    "grep": "'git -C STORE/git grep TEXT REV -- rootfs' searches an image",
    "init": "the first 'lxgit bootstrap', 'lxgit import', 'lxgit build' or 'lxgit pull' makes the"
    " store",
    "launch": "'lxgit run -d IMAGE' starts a container, 'lxgit pull' fetches an image",
    "list": "'lxgit ps -a' lists containers, 'lxgit images' images, 'lxgit branch' branches",
    "ls-files": _LISTED,
    "ls-tree": _LISTED,
    "merge": "'lxgit branch -f NAME REV' moves a branch on where it has nothing of its own: where"
    f" 'lxgit log REV..NAME' is empty; {_PATHS}",
    "merge-base": f"'lxgit diff A...B' begins there; {_BY_GIT.format('merge-base A B')}",
    "mount": _FILES,
    "mv": "'lxgit rename' gives a container another name, 'lxgit branch -m' a branch",
    "name-rev": _BY_GIT.format("name-rev REV"),
    "pod": "'lxgit run --network container:NAME' shares the network of another container",
    "rebase": "'lxgit checkout --merge REV CONTAINER' puts a container on another commit, with what"
    " it changed",
    "redo": "'lxgit undo --redo' does again what was undone",
    "remote": "a name says where an image is: 'lxgit pull localhost:5000/base'",
    "remove": _DELETED,
    "repack": "'lxgit gc' does",
    "rev-list": "'lxgit log -q --no-trunc' lists ids",
    "revert": f"'lxgit undo' takes back the last command; {_PATHS}",
    "service": "'lxgit system service --install' has containers started at boot",
    "shell": "'lxgit exec -it CONTAINER sh', or 'lxgit run -it IMAGE sh'",
    "shortlog": _BY_GIT.format("shortlog REV"),
    "show-branch": "'lxgit log --graph --oneline --all' draws how the branches go together",
    "show-ref": _CALLED,
    "snapshot": "'lxgit commit' records what a container changed",
    "stack": _ONE_HOST,
    "stage": _NO_INDEX,
    "swarm": _ONE_HOST,
    "symbolic-ref": "'lxgit branch --show-current' prints HEAD's branch, 'lxgit checkout BRANCH'"
    " moves HEAD",
    "umount": _FILES,
    "unfreeze": "'lxgit unpause' has a container go on",
    "update-index": _NO_INDEX,
    "update-ref": "'lxgit branch -f NAME REV' moves a branch, 'lxgit tag -f NAME REV' a tag",
    "whatchanged": "'lxgit log --stat' says what each commit changed",
    "worktree": "a container is a work tree: 'lxgit create REV' makes one",
    "builder du": "'lxgit system df' has a line for what builds have left",
    "container ps": "'lxgit container ls'",
    "container remove": "'lxgit container rm'",
    "image prune": "'lxgit rmi' takes names away, 'lxgit gc' drops what has none, at once with"
    " --now",
    "image remove": "'lxgit image rm'",
    "image search": "'lxgit search'",
    "network remove": "'lxgit network rm'",
    "stash apply": "'lxgit stash pop' brings it back, and deletes it",
    "stash clear": "'lxgit stash drop' deletes one",
    "stash save": "'lxgit stash push'",
    "system prune": "'lxgit container prune', 'lxgit network prune', 'lxgit volume prune' and"
    " 'lxgit builder prune', then 'lxgit gc'",
    "volume remove": "'lxgit volume rm'",
}
