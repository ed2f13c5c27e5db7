package sandbox

// A denied system call by its numbers; 0 where an architecture lacks it.
type call struct {
	name                    string
	amd64, i386, arm64, arm uint32
}

// denied are the system calls that fail with EPERM. Most need a capability that commands lack: that they fail here, too,
// keeps their code in the kernel out of reach.
var denied = []call{
	// mounts and namespaces
	{"mount", 165, 21, 40, 21},
	{"umount", 0, 22, 0, 0},
	{"umount2", 166, 52, 39, 52},
	{"pivot_root", 155, 217, 41, 218},
	{"move_mount", 429, 429, 429, 429},
	{"open_tree", 428, 428, 428, 428},
	{"open_tree_attr", 467, 467, 467, 467},
	{"fsopen", 430, 430, 430, 430},
	{"fsmount", 432, 432, 432, 432},
	{"fsconfig", 431, 431, 431, 431},
	{"fspick", 433, 433, 433, 433},
	{"mount_setattr", 442, 442, 442, 442},
	{"setns", 308, 346, 268, 375},
	// keys, which outlast the sandbox
	{"add_key", 248, 286, 217, 309},
	{"keyctl", 250, 288, 219, 311},
	{"request_key", 249, 287, 218, 310},
	// the kernel and its modules
	{"bpf", 321, 357, 280, 386},
	{"init_module", 175, 128, 105, 128},
	{"finit_module", 313, 350, 273, 379},
	{"delete_module", 176, 129, 106, 129},
	{"kexec_load", 246, 283, 104, 347},
	{"kexec_file_load", 320, 0, 294, 401},
	{"perf_event_open", 298, 336, 241, 364},
	{"userfaultfd", 323, 374, 282, 388},
	{"syslog", 103, 103, 116, 103},
	{"acct", 163, 51, 89, 51},
	{"reboot", 169, 88, 142, 88},
	{"iopl", 172, 110, 0, 0},
	{"ioperm", 173, 101, 0, 0},
	{"lookup_dcookie", 212, 253, 18, 249},
	{"nfsservctl", 180, 169, 42, 169},
	// disks
	{"swapon", 167, 87, 224, 87},
	{"swapoff", 168, 115, 225, 115},
	{"quotactl", 179, 131, 60, 131},
	{"quotactl_fd", 443, 443, 443, 443},
	{"open_by_handle_at", 304, 342, 265, 371},
	// clocks and names
	{"settimeofday", 164, 79, 170, 79},
	{"stime", 0, 25, 0, 0},
	{"clock_settime", 227, 264, 112, 262},
	{"clock_settime64", 0, 404, 0, 404},
	{"sethostname", 170, 74, 161, 74},
	{"setdomainname", 171, 121, 162, 121},
	{"vhangup", 153, 111, 58, 111},
}

// missing are the system calls that fail with ENOSYS, upon which programs do without them.
var missing = []call{
	{"clone3", 435, 435, 435, 435},
	{"io_uring_setup", 425, 425, 425, 425},
	{"io_uring_enter", 426, 426, 426, 426},
	{"io_uring_register", 427, 427, 427, 427},
}

// System calls that depend on their first argument.
var (
	cloneCall   = call{"clone", 56, 120, 220, 120}
	unshareCall = call{"unshare", 272, 310, 97, 337}
	socketCall  = call{"socket", 41, 359, 198, 281}
)
