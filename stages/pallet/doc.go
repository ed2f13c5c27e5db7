// Package pallet reads Forklift pallets and bundles them: what a device keeps of a pallet as one of its stages.
//
// Forklift (https://github.com/forklift-run/forklift) sets the formats; its specification of packages is
// https://github.com/forklift-run/forklift/blob/main/docs/specs/00-package.md. As in Forklift, unknown keys are
// ignored. Unlike in Forklift, no export can leave the bundle, and nothing is read from outside the pallet.
//
// A pallet that requires others is read with all that it takes from them: the files of its groups of imports, laid below
// its own, and packages. Where those lie is the Resolver's business (package source has one for Git), what exports
// download is the Downloader's (package download). A Bundle is pure data, which Write writes; the same pallet gives the
// same bundle, byte for byte. Check has the verdicts of package resource, with the places of what is declared.
//
// The package starts nothing and mounts nothing, and it does not read stage stores. What a hostile pallet can cost is
// limited: see the constants whose names begin with max.
package pallet
