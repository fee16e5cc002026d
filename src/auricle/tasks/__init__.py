"""What users do with sounds, one room each: classification, enhancement, emotion, separation, pre-training."""
