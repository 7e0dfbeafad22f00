package sdk

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets a child end with the test process, also when that is killed or times out.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
