#!/bin/sh
# After the installation of a package: the unit's user, and the unit made known. Most distributions make the users of sysusers.d only when
# they start. Nothing is started or restarted: settings come first, and an upgrade is one process at a time (docs/upgrade.md).
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers notifier.conf
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
