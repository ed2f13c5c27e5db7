package mqtt

import (
	"errors"
	"fmt"
)

// RefusedError is the error for a message that the broker refused, with the reason.
type RefusedError struct{ Reason byte } // a reason code of MQTT 5, section 2.4

func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused by the broker with reason code 0x%02x", e.Reason)
}

// refused returns the error of a PUBACK with a reason code. Codes below 0x80 are successes.
func refused(reason byte, err error) error {
	if reason < 0x80 {
		return nil
	}
	if err == nil {
		return &RefusedError{reason}
	}
	return fmt.Errorf("%w: %w", &RefusedError{reason}, err)
}

// lost reports whether a message may not have reached the broker and has to be published again.
func lost(err error) bool {
	var r *RefusedError
	return !errors.As(err, &r)
}
