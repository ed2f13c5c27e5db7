// Package source finds pallets and repositories in Git: the files of a locked commit, the lock of a branch, a tag or a
// commit, and the state of a working tree.
//
// Repositories are read over https, ssh, git and from the file system, and from mirrors. They are fetched into a cache, in
// which locked commits need no network. go-git reads and fetches: no git program, filter or hook runs, and submodules are
// ignored.
package source
