// Package override compares a device's /etc and /usr with the stage and the base below them: what its user changed,
// since when each change hides an update of the stage (the ledger), and what is queued to be reverted or reset at the
// next boot. It reads directories and mounts nothing.
package override
