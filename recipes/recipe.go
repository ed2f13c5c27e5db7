// Package recipes reads the YAML in which a maintainer describes an image, and reports every mistake in it with its
// place. The recipes and pallets that ship lie beside the code.
//
// The types below are the one source of the format: the loader, the JSON schema and docs/recipe.md are made from their
// fields and tags. The package runs nothing, downloads nothing and knows nothing of disks.
package recipes

// Recipe describes one image.
type Recipe struct {
	Name         string            `yaml:"name" doc:"Name of the image: lower-case letters, digits and dashes. The host name, the disk signature and the file system UUIDs are derived from it." required:"true" pattern:"^[a-z][a-z0-9-]{0,62}$"`
	Include      []string          `yaml:"include" doc:"Recipes to start from, by path relative to this file. What this file says wins; layers and lists of boot lines are appended."`
	Vars         map[string]string `yaml:"vars" doc:"Variables: ${name} in any string stands for the value, $${ for a literal ${. What includes set can be set anew here, and --set wins over both."`
	Architecture string            `yaml:"architecture" doc:"Debian's name of the processor architecture." enum:"arm64" default:"arm64"`
	Date         string            `yaml:"date" doc:"The time of the image, as in RFC 3339 or as a date: no file in it is younger, and the device's clock starts no earlier." default:"2026-01-01"`
	Base         Base              `yaml:"base" doc:"What lies below all layers." required:"true"`
	Layers       []Layer           `yaml:"layers" doc:"What is laid over the base, in this order."`
	Secrets      map[string]Secret `yaml:"secrets" doc:"Where values come from that may be in the image but in no recipe, plan, cache or log."`
	Boot         Boot              `yaml:"boot" doc:"How the device starts."`
	Disk         Disk              `yaml:"disk" doc:"The layout of the image."`

	Dir string `yaml:"-"` // directory of the recipe's file: all paths in the recipe are relative to it
}

// Base is the first layer: exactly one of its fields is set.
type Base struct {
	Debian *Debian `yaml:"debian" doc:"A suite of Debian." oneof:"base"`
}

// Debian is a base made of a suite's packages.
type Debian struct {
	Suite      string   `yaml:"suite" doc:"Code name of the suite, such as trixie." required:"true" pattern:"^[a-z][a-z0-9-]*$"`
	Components []string `yaml:"components" doc:"Components of the archive." default:"[main]"`
	Mirror     string   `yaml:"mirror" doc:"URL of the archive. Without it: the environment's PKBUILD_MIRROR, else the mirror that apt uses on the building machine, else Debian's own." pattern:"^(https?|file)://"`
}

// Layer is laid over those before it: exactly one of its fields is set.
type Layer struct {
	Packages []string `yaml:"packages" doc:"Debian packages to install, without what they only recommend. The packages of all layers are installed with the base, in one transaction." oneof:"layer" pattern:"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$"`
	Files    []File   `yaml:"files" doc:"Files, directories and links to put in place." oneof:"layer"`
	Users    []User   `yaml:"users" doc:"Users to create." oneof:"layer"`
	Stage    *Stage   `yaml:"stage" doc:"A pallet to stage as the bundle that the device starts with." oneof:"layer"`
}

// File is one entry of a files layer. Exactly one of Source, Content and Link is set.
type File struct {
	Target  string `yaml:"target" doc:"Absolute path in the image." required:"true" pattern:"^/"`
	Source  string `yaml:"source" doc:"File or directory to copy, relative to the recipe. A directory is merged into the target with all below it." oneof:"file" file:"true"`
	Content string `yaml:"content" doc:"The text of the file." oneof:"file"`
	Link    string `yaml:"link" doc:"Target of a symlink." oneof:"file"`
	Mode    string `yaml:"mode" doc:"Permissions in octal, quoted. Without it: those of the source, or 0644." pattern:"^0?[0-7]{3,4}$"`
	UID     uint32 `yaml:"uid" doc:"Number of the owning user."`
	GID     uint32 `yaml:"gid" doc:"Number of the owning group."`
}

// User is an account of the image.
type User struct {
	Name           string   `yaml:"name" doc:"Login name." required:"true" pattern:"^[a-z_][a-z0-9_-]{0,31}$"`
	UID            uint32   `yaml:"uid" doc:"Number of the user and of the group of the same name." default:"1000"`
	Comment        string   `yaml:"comment" doc:"Full name or purpose." pattern:"^[^:\n]*$"`
	Shell          string   `yaml:"shell" doc:"Login shell." default:"/bin/bash" pattern:"^/[^:\n]*$"`
	Groups         []string `yaml:"groups" doc:"Further groups; a group that the packages do not bring is made as a system group." pattern:"^[a-z_][a-z0-9_-]{0,31}$"`
	Password       string   `yaml:"password" doc:"Name of the secret that holds the password, or its crypt(3) hash. Without a value for it the account is locked."`
	AuthorizedKeys []string `yaml:"authorized-keys" doc:"Public keys that may log in over SSH."`
}

// Stage is a pallet staged in the image.
type Stage struct {
	Pallet string   `yaml:"pallet" doc:"Directory of the pallet, relative to the recipe." required:"true" dir:"true"`
	Names  []string `yaml:"names" doc:"Names to give the bundle in the stage store." default:"[factory-reset]"`
}

// Secret says where the value of a secret is found when an image is built. Exactly one field is set.
type Secret struct {
	Env  string `yaml:"env" doc:"Environment variable that holds it." oneof:"secret" pattern:"^[A-Za-z_][A-Za-z0-9_]*$"`
	File string `yaml:"file" doc:"File that holds it, relative to the recipe; it need not exist. A line break at its end does not count." oneof:"secret"`
}

// Boot is how the device starts.
type Boot struct {
	Config  []string `yaml:"config" doc:"Lines of config.txt after those that name the kernel and the initramfs."`
	Cmdline []string `yaml:"cmdline" doc:"Arguments of the kernel after root= and rootfstype=."`
	Modules []string `yaml:"modules" doc:"Kernel modules that the initramfs loads, with those that they depend on. A name that the kernel has built in costs nothing; one that it does not have at all is an error." pattern:"^[A-Za-z0-9_-]+$"`
}

// Disk is the layout of the image. Sizes are numbers of bytes with an optional unit KiB, MiB, GiB or TiB.
type Disk struct {
	BootSize  string `yaml:"boot-size" doc:"Size of the FAT32 partition, at least 256MiB." default:"512MiB" pattern:"^[0-9]+([KMGT]iB)?$"`
	Free      string `yaml:"free" doc:"Room left in the root file system. It grows to the card on the device." default:"512MiB" pattern:"^[0-9]+([KMGT]iB)?$"`
	Signature string `yaml:"signature" doc:"Disk signature, eight hexadecimal digits. Without it one is derived from the name." pattern:"^[0-9a-f]{8}$"`
}
