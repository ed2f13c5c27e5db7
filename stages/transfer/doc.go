// Package transfer exports a stage to a file, such as on a USB stick, and imports it on another device: its bundle, and the
// layers of its container images that the other device lacks.
//
// The file is a tar archive. Its member bundle.tar is the bundle with its digests; layers/DIFFID.tar or .tar.zst are layers,
// configs/ID.json the images' configurations, and manifest.json is what `docker load` reads. The last member, export.json,
// lists all others with their SHA-256, and the images with all their layers, including those that were left out. Without
// compression and omissions, `docker load` can load the file.
//
// An Inventory lists what a device has. Docker finds a layer by its chain ID, which depends on all layers below it
// (https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid). So a layer is left out only if the other
// device has it above the same layers.
//
// A file is verified completely before anything of it is used. Digests detect damage, not forgery: whoever makes a file that
// is imported is trusted like root. The package changes the stage store through a store.Writer only, and Docker's store
// through docker commands only.
package transfer
