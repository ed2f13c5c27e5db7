// Package source finds pallets and repositories in Git: the files of a locked commit, the lock for a branch, a tag or a
// commit, and what Git says of a directory.
//
// Repositories are read from https, ssh and the file system, from mirrors where there are some. What was found once is
// kept in a cache and needs no network again. Nothing is run, Git neither: go-git reads and fetches. Filters, hooks and
// submodules have no effect.
package source
