#!/bin/busybox sh
# The first and only program of the machine: mounts, the tests as root, the tests as a user to whom a part of the tree
# of control groups was handed over, the end.
if [ ! -e /real ]; then
  # Nobody may change the root of a machine that still runs from its first archive, which is what bubblewrap does.
  /bin/busybox mkdir /new
  /bin/busybox mount -t tmpfs -o size=1g root /new
  for name in /*; do
    [ "$name" = /new ] || /bin/busybox cp -a "$name" /new/
  done
  : > /new/real
  exec /bin/busybox switch_root /new /init
fi
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /home/user
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mkdir -p /dev/shm /dev/pts
/bin/busybox mount -t tmpfs -o mode=1777 shm /dev/shm
/bin/busybox mount -t tmpfs -o mode=1777,size=1g tmp /tmp
/bin/busybox mount -t cgroup2 cgroup /sys/fs/cgroup
/bin/busybox ln -sf /proc/self/fd /dev/fd
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/usr/bin:/bin LANG=C.UTF-8 PYTHONPATH=/site:/work/src PYTHONDONTWRITEBYTECODE=1
ifconfig lo 127.0.0.1 up
chown 1000:1000 /home/user
# What works without control groups is tested on real machines: an emulated one is too slow for its deadlines.
export CHOSEN="not watched and not some_space"
cd /work
echo "VM kernel $(uname -r), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"

bwrap --ro-bind / / --unshare-user true
echo "VM bubblewrap $?"

# As systemd does it: whoever runs programs is never in an inner group of the tree.
mkdir /sys/fs/cgroup/system
echo $$ > /sys/fs/cgroup/system/cgroup.procs
echo "+memory +pids +cpu" > /sys/fs/cgroup/cgroup.subtree_control

run() { python3 -m pytest -q -p no:cacheprovider -o timeout=600 --tb=short -k "$CHOSEN" $TESTS 2>&1; echo "VM $1 $?"; }

echo "VM begin root"
HOME=/root run root
mkdir -p /sys/fs/cgroup/user/session
chown -R 1000:1000 /sys/fs/cgroup/user
echo "+memory +pids +cpu" > /sys/fs/cgroup/user/cgroup.subtree_control
echo "VM begin user"
(
  echo 0 > /sys/fs/cgroup/user/session/cgroup.procs
  export HOME=/home/user TESTS
  exec /usr/bin/setpriv --reuid=1000 --regid=1000 --clear-groups sh -c '
    python3 -m pytest -q -p no:cacheprovider -o timeout=600 --tb=short -k "$CHOSEN" $TESTS 2>&1; echo "VM user $?"'
)
echo "VM end"
poweroff -f
