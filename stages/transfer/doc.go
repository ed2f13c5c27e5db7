// Package transfer carries a stage from one device to another in a file, as on a USB stick: its bundle, and the layers of
// its container images that the other device lacks.
//
// The file is a tar. bundle.tar in it is the bundle with its digests; layers/DIFFID.tar, or .tar.zst, are layers,
// configs/ID.json the images' configurations, manifest.json what Docker wants to load them. export.json, the last
// member, lists all others with their SHA-256, and the images with all their layers, those included that are left out.
// Without compression, and with no layer left out, `docker load` reads the file as well.
//
// What a device has, an Inventory tells. Docker finds a layer by its chain ID: by itself and all those below it
// (https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid). So a layer is left out only where the
// other device has it over the same ones.
//
// A file is verified completely before anything of it is used. Sums tell damage, not who made it: to import a file is to
// trust it as root. The package changes the stage store through a store.Writer only, Docker's through `docker load`.
package transfer
