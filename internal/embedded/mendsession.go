package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// mendSession lets kfake abort the transactions that were open when the broker was closed. It keeps them for whoever has the transactional id, and
// here nobody ever has it again (TxnSuffix): what was written after them could not be read until they time out. It aborts by itself what
// began too long ago, so they are made old. It says whether there are any.
func mendSession(dir string) (found bool, err error) {
	path := filepath.Join(dir, "session_state.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // it was killed, or nothing was to be kept
	}
	if err != nil {
		return false, fmt.Errorf("mend the broker's data: %w", err)
	}
	var state map[string]json.RawMessage
	var open []map[string]json.RawMessage
	if json.Unmarshal(b, &state) != nil || state["inProgressTxns"] == nil {
		return false, nil // kfake passes over what it cannot read
	}
	if err := json.Unmarshal(state["inProgressTxns"], &open); err != nil {
		return false, nil
	}
	began, err := json.Marshal(time.Unix(0, 0).UTC())
	for _, txn := range open {
		txn["txStart"] = began
	}
	if err == nil {
		state["inProgressTxns"], err = json.Marshal(open)
	}
	if err == nil {
		b, err = json.Marshal(state)
	}
	if err == nil {
		err = os.WriteFile(path+".mended", b, 0o644)
	}
	if err == nil {
		err = os.Rename(path+".mended", path)
	}
	if err != nil {
		return false, fmt.Errorf("mend the broker's data: %w", err)
	}
	return len(open) > 0, nil
}
