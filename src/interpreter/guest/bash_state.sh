\builtin shopt -u expand_aliases
builtin trap - DEBUG ERR RETURN
builtin trap '' XFSZ
builtin set +eufxvCn
builtin ulimit -S -t 10 -v 2097152 -f "$((_kept_all >> 9))"
builtin echo 1000 >/proc/self/oom_score_adj
{
builtin printf '\0%s' "$_kept_token" "$_kept_set" "$_kept_shopt" "$PWD" "${OLDPWD-}"
builtin printf '\0'
builtin umask
builtin printf '\0%s' "$#" "$@" "${#DIRSTACK[@]}" "${DIRSTACK[@]}"
builtin printf '\0'
_kept_sum=0
for _kept_name in "${!_@}" "${!a@}" "${!b@}" "${!c@}" "${!d@}" "${!e@}" "${!f@}" "${!g@}" "${!h@}" "${!i@}" "${!j@}" "${!k@}" \
  "${!l@}" "${!m@}" "${!n@}" "${!o@}" "${!p@}" "${!q@}" "${!r@}" "${!s@}" "${!t@}" "${!u@}" "${!v@}" "${!w@}" \
  "${!x@}" "${!y@}" "${!z@}" "${!A@}" "${!B@}" "${!C@}" "${!D@}" "${!E@}" "${!F@}" "${!G@}" "${!H@}" "${!I@}" \
  "${!J@}" "${!K@}" "${!L@}" "${!M@}" "${!N@}" "${!O@}" "${!P@}" "${!Q@}" "${!R@}" "${!S@}" "${!T@}" "${!U@}" \
  "${!V@}" "${!W@}" "${!X@}" "${!Y@}" "${!Z@}"; do
  builtin eval "_kept_size=\${#$_kept_name} _kept_count=\${#$_kept_name[@]}"
  ((_kept_count < 2)) || { builtin eval "_kept_value=\"\${$_kept_name[*]}\""; _kept_size=${#_kept_value}; }
  if ((_kept_size > _kept_most || (_kept_sum += _kept_size) > _kept_all)); then
    builtin printf '%s %s\n' "$_kept_name" "$_kept_size"
    ((_kept_sum -= _kept_size))
    builtin unset -v "$_kept_name"
    ((${#_kept_lost} > 2000)) || _kept_lost="$_kept_lost $_kept_name"
  fi
done
builtin unset -v _kept_name _kept_value
builtin printf '\0'
builtin declare -p
builtin printf '\0'
builtin alias -p
builtin printf '\0'
((${#_kept_functions[@]})) && builtin printf '%s\n' "${_kept_functions[@]}"
for _kept_name in "${_kept_functions[@]##* }"; do
  builtin printf '\0'
  builtin declare -f "$_kept_name"
done
builtin printf '\0%s' "$_kept_token"
} >>/dev/fd/246
