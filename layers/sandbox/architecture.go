package sandbox

import (
	"debug/elf"
	"runtime"
)

// Host is Debian's name of the architecture of the building machine.
func Host() string {
	if runtime.GOARCH == "arm" {
		return "armhf"
	}
	return runtime.GOARCH
}

// triplets names the directory of an architecture's libraries.
var triplets = map[string]string{
	"amd64": "x86_64-linux-gnu",
	"arm64": "aarch64-linux-gnu",
	"armhf": "arm-linux-gnueabihf",
	"i386":  "i386-linux-gnu",
}

// Triplet names the directory of an architecture's libraries below /usr/lib.
func Triplet(architecture string) string { return triplets[architecture] }

// machines are the values of e_machine in the programs of an architecture.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "armhf": elf.EM_ARM, "i386": elf.EM_386}

// Machine is the value of e_machine in the programs of an architecture.
func Machine(architecture string) elf.Machine { return machines[architecture] }

// emulators names qemu's programs for an architecture; they must be static, as they run in the tree.
var emulators = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "armhf": "arm", "i386": "i386", "riscv64": "riscv64"}

// Emulator is what qemu and the kernel call an architecture, as in qemu-aarch64-static.
func Emulator(architecture string) string { return emulators[architecture] }
