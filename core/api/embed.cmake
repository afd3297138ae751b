# Writes OUT: the files of FILES (joined by "|", below ROOT) as rows of page_files.
include(${CMAKE_CURRENT_LIST_DIR}/../embed.cmake)
string(REPLACE "|" ";" files "${FILES}")

foreach(path IN LISTS files)
  embed(${ROOT}/${path} "\"${path}\"")
endforeach()
embed_write(${OUT} api/page_int.h page_file page_file)
