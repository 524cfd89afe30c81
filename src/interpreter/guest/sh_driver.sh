trap : INT TERM HUP
exec 3>&1 4>&2 >/dev/null 2>&1
prompt='prompt
'
while :; do
  PS1=$prompt PS2= sh -i <&8 2>&6 8<&-
  printf 'exit %s\n' "$?" >&6
done
