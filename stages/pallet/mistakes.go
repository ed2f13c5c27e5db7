package pallet

import (
	"errors"
	"fmt"
	"slices"
)

// maxMistakes is the greatest number of mistakes in one error.
const maxMistakes = 200

// mistakes are the mistakes of a pallet, in the order of their discovery.
type mistakes []error

// add appends an error unless it is nil or there already: a file that is bundled twice has its mistakes once.
func (m *mistakes) add(err error) {
	known := func(other error) bool { return other.Error() == err.Error() }
	if err != nil && len(*m) <= maxMistakes && !slices.ContainsFunc(*m, known) {
		*m = append(*m, err)
	}
}

// err joins all mistakes, one per line; nil without any.
func (m mistakes) err() error {
	if len(m) > maxMistakes {
		return errors.Join(errors.Join(m[:maxMistakes]...), fmt.Errorf("pallet has more than %d mistakes", maxMistakes))
	}
	return errors.Join(m...)
}
