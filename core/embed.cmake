# For scripts of `cmake -P` that make C of files: embed(FILE FIELDS) adds a row whose members are
# FIELDS, the bytes and their number; embed_write(OUT HEADER TYPE NAME) writes them as the table
# `const struct TYPE NAME[]` that HEADER declares, with NAME_count behind it.
set(embed_arrays "")
set(embed_rows "")
set(embed_count 0)

function(embed file fields)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  set(embed_arrays "${embed_arrays}static const unsigned char file_${embed_count}[] = {${bytes}0};\n"
    PARENT_SCOPE)
  set(embed_rows "${embed_rows}    {${fields}, file_${embed_count}, sizeof file_${embed_count} - 1},\n"
    PARENT_SCOPE)
  math(EXPR count "${embed_count} + 1")
  set(embed_count ${count} PARENT_SCOPE)
endfunction()

function(embed_write out header type name)
  get_filename_component(maker ${CMAKE_SCRIPT_MODE_FILE} NAME)
  file(WRITE ${out} "/* Made by ${maker}. */\n#include \"${header}\"\n\n${embed_arrays}
const struct ${type} ${name}s[] = {\n${embed_rows}};
const size_t ${name}_count = array_count(${name}s);\n")
endfunction()
